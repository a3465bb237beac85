//! The way out for log lines: those that tell of nothing wrong are gathered for a moment, so that many requests cost one call
//! of the system. A warning goes out at once, and takes along what was said before it.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

use super::redact::Redacting;

/// How long a line may wait for others.
const MOMENT: Duration = Duration::from_millis(50);
/// After so many moments without a line, the next one has to wake the thread that lets them out.
const PATIENCE: u32 = 20;
/// Whoever gathers so much sees to it that it goes out.
const MUCH: usize = 64 * 1024;

/// Lines on their way to `W`. Cheap to clone.
pub struct LogBuffer<W: Write>(Arc<Lines<W>>);

struct Lines<W> {
    gathered: Mutex<Gathered>,
    some: Condvar,
    /// Where to, and an empty buffer to gather in meanwhile. Whoever has it writes before all who come later.
    out: Mutex<(W, Vec<u8>)>,
}

#[derive(Default)]
struct Gathered {
    lines: Vec<u8>,
    /// Whether the thread that lets them out must be woken to do so.
    asleep: bool,
}

impl<W: Write> Clone for LogBuffer<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W: Write + Send + 'static> LogBuffer<W> {
    /// Starts the thread that lets lines out.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn start(out: W) -> io::Result<Self> {
        let lines = Lines {
            gathered: Mutex::default(),
            some: Condvar::new(),
            out: Mutex::new((out, Vec::new())),
        };
        let outlet = Self(Arc::new(lines));
        let lines = Arc::clone(&outlet.0);
        std::thread::Builder::new().name("log".to_owned()).spawn(move || lines.run())?;
        Ok(outlet)
    }
}

impl<W: Write> LogBuffer<W> {
    /// Lets out what is gathered.
    pub fn flush(&self) -> io::Result<()> {
        self.0.flush().map(|_| ())
    }
}

impl<W: Write> Lines<W> {
    fn run(&self) {
        loop {
            let mut gathered = self.gathered();
            while gathered.lines.is_empty() {
                gathered.asleep = true;
                gathered = self.some.wait(gathered).unwrap_or_else(PoisonError::into_inner);
            }
            gathered.asleep = false;
            drop(gathered);
            let mut silent = 0;
            while silent < PATIENCE {
                std::thread::sleep(MOMENT);
                // There is nobody to tell that nothing can be told.
                silent = if self.flush().is_ok_and(|none| none) { silent + 1 } else { 0 };
            }
        }
    }

    fn put(&self, line: &[u8], at_once: bool) -> io::Result<()> {
        let mut gathered = self.gathered();
        gathered.lines.extend_from_slice(line);
        let much = gathered.lines.len() >= MUCH;
        let asleep = std::mem::take(&mut gathered.asleep);
        drop(gathered);
        if asleep {
            self.some.notify_one();
        }
        if at_once || much { self.flush().map(|_| ()) } else { Ok(()) }
    }

    /// Lets out what is gathered; answers whether there was nothing.
    fn flush(&self) -> io::Result<bool> {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let (out, lines) = &mut *out;
        std::mem::swap(lines, &mut self.gathered().lines);
        let done = out.write_all(lines).and_then(|()| out.flush());
        let none = lines.is_empty();
        lines.clear();
        done.map(|()| none)
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes the lines of one event.
pub struct Line<'a, W> {
    lines: &'a Lines<W>,
    at_once: bool,
}

impl<W: Write> Write for Line<'_, W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.lines.put(line, self.at_once)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a, W: Write + 'a> MakeWriter<'a> for LogBuffer<W> {
    type Writer = Redacting<Line<'a, W>>;

    fn make_writer(&'a self) -> Self::Writer {
        Redacting(Line { lines: &self.0, at_once: true })
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Self::Writer {
        Redacting(Line { lines: &self.0, at_once: *meta.level() <= Level::WARN })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Page {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().expect("a page").clone()).expect("UTF-8")
        }
    }

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("a page").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logging(outlet: &LogBuffer<Page>) -> tracing::subscriber::DefaultGuard {
        let layer = tracing_subscriber::fmt::layer().without_time().with_writer(outlet.clone());
        tracing::subscriber::set_default(tracing_subscriber::registry().with(layer))
    }

    #[test]
    fn a_warning_goes_out_at_once_after_what_was_said_before() {
        let page = Page::default();
        let outlet = LogBuffer::start(page.clone()).expect("it starts");
        let _guard = logging(&outlet);
        tracing::info!("one");
        tracing::warn!("two");
        let said = page.text();
        assert!(said.find("one").expect("one") < said.find("two").expect("two"), "{said}");
    }

    #[test]
    fn what_tells_of_nothing_wrong_waits_a_moment_and_no_longer() {
        let page = Page::default();
        let outlet = LogBuffer::start(page.clone()).expect("it starts");
        let _guard = logging(&outlet);
        // Whether the thread that lets lines out sleeps, was woken for nothing, or is about.
        for round in ["one", "two", "three", "four"] {
            if round != "two" {
                std::thread::sleep(MOMENT * (PATIENCE + 2));
                tracing::warn!("this goes out by itself");
                std::thread::sleep(MOMENT);
            }
            let said = Instant::now();
            tracing::info!(round);
            while !page.text().contains(round) {
                assert!(said.elapsed() < Duration::from_secs(20), "{round} never comes");
                std::thread::yield_now();
            }
        }
    }

    #[test]
    fn everything_goes_out_once_and_in_order() {
        let page = Page::default();
        let outlet = LogBuffer::start(page.clone()).expect("it starts");
        let line = |number: u32| format!("{number:0>1000}\n");
        for number in 0..500 {
            outlet.0.put(line(number).as_bytes(), false).expect("it takes it");
        }
        assert!(page.text().len() >= 300_000, "much goes out without anybody's waiting for it");
        outlet.flush().expect("it goes out");
        assert_eq!(page.text(), (0..500).map(line).collect::<String>());
    }
}
