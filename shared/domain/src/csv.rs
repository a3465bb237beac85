//! Lines of CSV (RFC 4180) that are safe to open with a spreadsheet.

/// What a spreadsheet takes for the beginning of a formula, and what it skips before one.
const FORMULA: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\n'];

/// A line of these cells, with its end. Whatever would begin a formula is made a text by an apostrophe before it.
pub fn line<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let mut line = String::new();
    for (at, cell) in cells.into_iter().enumerate() {
        if at > 0 {
            line.push(',');
        }
        let sign = if cell.starts_with(FORMULA) { "'" } else { "" };
        if cell.contains([',', '"', '\r', '\n']) {
            line.push_str(&format!("\"{sign}{}\"", cell.replace('"', "\"\"")));
        } else {
            line.push_str(sign);
            line.push_str(cell);
        }
    }
    line.push_str("\r\n");
    line
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn cells_are_quoted_and_never_formulas() {
        for (cells, wanted) in [
            (&["a", "", "b c"][..], "a,,b c\r\n"),
            (&["a,b", "say \"hi\"", "two\nlines"], "\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\"\r\n"),
            (&["=1+1", "+1", "-1", "@x"], "'=1+1,'+1,'-1,'@x\r\n"),
            (&["\t=1", "\r=1", "\n=1", "x=1"], "'\t=1,\"'\r=1\",\"'\n=1\",x=1\r\n"),
            (
                &["=HYPERLINK(\"http://x\",\"y\")"],
                "\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\"\r\n",
            ),
            (&[], "\r\n"),
        ] {
            assert_eq!(line(cells.iter().copied()), wanted);
        }
    }
}
