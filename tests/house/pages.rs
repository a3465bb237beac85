//! What a page of Markdown consists of: headings, fenced blocks and tables.

/// A fenced block.
pub struct Block {
    /// What stands behind its opening fence.
    pub language: String,
    /// What is inside.
    pub text: String,
    /// The nearest heading above it.
    pub heading: String,
}

/// The fenced blocks of a page.
pub fn blocks(page: &str) -> Vec<Block> {
    let (mut found, mut heading, mut open) = (Vec::new(), String::new(), None::<Block>);
    for line in page.lines() {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(language), None) => {
                let (language, heading) = (language.trim().to_owned(), heading.clone());
                open = Some(Block { language, text: String::new(), heading });
            }
            (None, Some(block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {
                if line.starts_with('#') {
                    heading = line.trim_start_matches('#').trim().to_owned();
                }
            }
        }
    }
    assert!(open.is_none(), "a block is not closed");
    found
}

/// A page without its fenced blocks.
pub fn prose(page: &str) -> String {
    let mut inside = false;
    let outside = |line: &&str| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        !inside && !fence
    };
    page.lines().filter(outside).collect::<Vec<_>>().join("\n")
}

/// The rows of all tables whose first column is headed so; cells without the blanks around them.
pub fn table(page: &str, first: &str) -> Vec<Vec<String>> {
    let (mut found, mut inside) = (Vec::new(), false);
    for line in prose(page).lines() {
        let Some(row) = line.trim().strip_prefix('|') else {
            inside = false;
            continue;
        };
        let cells = cells(row);
        if inside {
            let is_rule = cells.iter().all(|cell| cell.chars().all(|c| matches!(c, '-' | ':')));
            if !is_rule {
                found.push(cells);
            }
        } else {
            inside = cells.first().is_some_and(|cell| cell == first);
        }
    }
    found
}

/// The cells of a row; `\|` is a bar inside of one.
fn cells(row: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut chars = row.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, cells.last_mut()) {
            ('\\', Some(cell)) if chars.peek() == Some(&'|') => cell.extend(chars.next()),
            ('|', _) => cells.push(String::new()),
            (c, Some(cell)) => cell.push(c),
            (_, None) => {}
        }
    }
    if cells.last().is_some_and(|cell| cell.trim().is_empty()) {
        cells.pop();
    }
    cells.into_iter().map(|cell| cell.trim().to_owned()).collect()
}

/// What stands in a code span, or the text itself.
pub fn code(cell: &str) -> &str {
    let double = cell.strip_prefix("`` ").and_then(|cell| cell.strip_suffix(" ``"));
    double
        .or_else(|| cell.strip_prefix('`').and_then(|cell| cell.strip_suffix('`')))
        .unwrap_or(cell)
}

#[test]
fn pages_are_understood() {
    let page = "# A\n\n| x | y |\n| --- | :-: |\n| `a \\|\\| b` | 1 |\n\n```json x\n| x | no |\n```\n## B c\n| x |\n|---|\n| 2 |\n";
    assert_eq!(table(page, "x"), [vec!["`a || b`", "1"], vec!["2"]]);
    assert_eq!(code("`a || b`"), "a || b");
    let blocks = blocks(page);
    assert_eq!((blocks[0].language.as_str(), blocks[0].heading.as_str()), ("json x", "A"));
}
