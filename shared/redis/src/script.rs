//! Lua scripts, and what is asked of Redis.

use redis::{Cmd, Value};

/// A Lua script and the hash that Redis knows it by.
pub struct Script {
    code: &'static str,
    hash: String,
}

impl Script {
    /// The script with this code.
    pub fn new(code: &'static str) -> Self {
        Self { code, hash: redis::Script::new(code).get_hash().to_owned() }
    }
}

/// One run of a script on the slot of one key.
pub struct Call<'a> {
    script: &'a Script,
    key: &'a str,
    args: Vec<Vec<u8>>,
}

impl<'a> Call<'a> {
    /// A run on the slot of `key`, which is its first key.
    pub fn new(script: &'a Script, key: &'a str) -> Self {
        Self { script, key, args: Vec::new() }
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl Into<Vec<u8>>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds a number as an argument.
    pub fn number(self, number: impl ToString) -> Self {
        self.arg(number.to_string())
    }

    /// Adds arguments.
    pub fn args(mut self, args: impl IntoIterator<Item = Vec<u8>>) -> Self {
        self.args.extend(args);
        self
    }
}

/// Something that is asked of the node that has a key.
pub(super) trait Ask: Sync {
    /// The key whose node is asked.
    fn key(&self) -> &str;
    /// The command; scripts go by their hash unless the whole of them is asked for.
    fn command(&self, whole: bool) -> Cmd;
}

impl Ask for Call<'_> {
    fn key(&self) -> &str {
        self.key
    }

    fn command(&self, whole: bool) -> Cmd {
        let (verb, script) = match whole {
            false => ("EVALSHA", self.script.hash.as_str()),
            true => ("EVAL", self.script.code),
        };
        let mut command = redis::cmd(verb);
        command.arg(script).arg(1).arg(self.key);
        for arg in &self.args {
            command.arg(arg.as_slice());
        }
        command
    }
}

/// A plain command, sent where a key is.
pub struct Plain<'a> {
    pub key: &'a str,
    pub command: Cmd,
}

impl Ask for Plain<'_> {
    fn key(&self) -> &str {
        self.key
    }

    fn command(&self, _: bool) -> Cmd {
        self.command.clone()
    }
}

/// The only answer.
pub(super) fn only(answers: Vec<Value>) -> Result<Value, String> {
    answers.into_iter().next().ok_or_else(|| "no answer".to_owned())
}
