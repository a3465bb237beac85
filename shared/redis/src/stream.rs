//! Streams with a consumer group: entries are taken by one of many consumers, and stay until they are done.
//!
//! Each verb is one script on one stream, so that it needs one round trip and works in a cluster, whatever other streams
//! are read. What a script reads and answers is bounded, one entry beyond the bound excepted.

use std::time::Duration;

use redis::{FromRedisValue, Value};

use super::{Call, Link, Script};

/// The beginning of what a group of consumers is called.
pub const GROUP: &str = "bellbuoy";

/// How many bytes of entries one call answers before it stops.
const MOST_BYTES: usize = 1 << 20;

/// After what time a consumer that has nothing and asks for nothing is forgotten.
const GONE: Duration = Duration::from_secs(3600);

/// Reads entries; makes the group where it is missing, which begins with the oldest entry.
/// KEYS: stream. ARGV: group, consumer, what to read, how many, bytes, the largest entry, how much is told of a larger one,
/// idle milliseconds, where to go on claiming.
/// Answers: entries as {id, size, fields}, where to go on claiming, whether there may be more that is ours.
const TAKE: &str = r"
local group, consumer, mode = ARGV[1], ARGV[2], ARGV[3]
local count, most = tonumber(ARGV[4]), tonumber(ARGV[5])
local largest, head = tonumber(ARGV[6]), tonumber(ARGV[7])
local entries, bytes, made, cursor, more = {}, 0, false, ARGV[9], 0

local function failed(answer)
  return type(answer) == 'table' and answer.err or nil
end

local function ask(...)
  local answer = redis.pcall(...)
  local why = failed(answer)
  if why and string.find(why, 'NOGROUP', 1, true) and not made then
    made = true
    local created = redis.pcall('XGROUP', 'CREATE', KEYS[1], group, '0', 'MKSTREAM')
    if failed(created) then return created end
    answer = redis.pcall(...)
  end
  return answer
end

local function add(entry)
  if not entry then
    more = 1
    return nil
  end
  local id, fields = entry[1], entry[2]
  if not fields then
    -- It was deleted from the stream: nothing is left to be done about it.
    redis.call('XACK', KEYS[1], group, id)
    return id
  end
  local size = 0
  for _, part in ipairs(fields) do size = size + #part end
  if size > largest then
    local left, cut = head, {}
    for _, part in ipairs(fields) do
      if left <= 0 then break end
      cut[#cut + 1] = string.sub(part, 1, left)
      left = left - #part
    end
    if #cut % 2 == 1 then cut[#cut + 1] = '' end
    fields = cut
  end
  for _, part in ipairs(fields) do bytes = bytes + #part end
  entries[#entries + 1] = {id, size, fields}
  return id
end

local function read(from)
  for _ = 1, count do
    if #entries >= count or bytes >= most then return nil end
    local answer = ask('XREADGROUP', 'GROUP', group, consumer, 'COUNT', 1, 'STREAMS', KEYS[1], from)
    local why = failed(answer)
    if why then return why end
    local found = answer and answer[1] and answer[1][2]
    if not found or #found == 0 then return nil end
    local id = add(found[1])
    if from ~= '>' then from = id end
  end
  return nil
end

local why = nil
if mode == 'own' then
  why = read('0')
else
  if mode == 'claim' then
    for _ = 1, count do
      if #entries >= count or bytes >= most then break end
      local answer = ask('XAUTOCLAIM', KEYS[1], group, consumer, ARGV[8], cursor, 'COUNT', 1)
      why = failed(answer)
      if why then break end
      cursor = answer[1]
      for at = 1, #answer[2] do add(answer[2][at]) end
      if cursor == '0-0' then break end
    end
  end
  if not why and #entries == 0 then why = read('>') end
end
-- As an error, so that a server that is no longer the primary is left.
if why then return {err = why} end
return {entries, cursor, more}
";

/// Says how a stream stands; lets go of what every group is done with, and of consumers that are gone, if it is told to.
/// KEYS: stream. ARGV: group, consumer, whether to tidy, idle milliseconds of consumers that are gone.
/// Answers: how many entries were not read, how many are not done, how many were let go.
const LOOK: &str = r"
local groups = redis.pcall('XINFO', 'GROUPS', KEYS[1])
if groups.err then
  if string.find(groups.err, 'no such key', 1, true) then return {0, 0, 0} end
  return groups
end

-- An id as a text that is ordered as ids are, which are too large for numbers.
local function ordered(id)
  local time, number = string.match(id, '^(%d+)%-(%d+)$')
  return string.rep('0', 20 - #time) .. time .. string.rep('0', 20 - #number) .. number
end

local length = redis.call('XLEN', KEYS[1])
local waiting, pending, lowest = length, 0, nil
for _, pairs_of in ipairs(groups) do
  local one = {}
  for at = 1, #pairs_of, 2 do one[pairs_of[at]] = pairs_of[at + 1] end
  local oldest = one['last-delivered-id']
  if one['pending'] > 0 then
    local answer = redis.pcall('XPENDING', KEYS[1], one['name'])
    if answer.err then return answer end
    oldest = answer[2] or oldest
  end
  if not lowest or ordered(oldest) < ordered(lowest) then lowest = oldest end
  if one['name'] == ARGV[1] then
    pending = one['pending']
    -- Redis before 7 does not tell, and no Redis does where entries were deleted: then it is at most all that is there.
    if one['lag'] then waiting = one['lag'] end
  end
end

local gone = 0
if ARGV[3] == '1' and lowest then
  local answer = redis.pcall('XTRIM', KEYS[1], 'MINID', '=', lowest)
  if type(answer) == 'table' then return answer end
  gone = answer
  local consumers = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])
  if not consumers.err then
    for _, pairs_of in ipairs(consumers) do
      local one = {}
      for at = 1, #pairs_of, 2 do one[pairs_of[at]] = pairs_of[at + 1] end
      if one['name'] ~= ARGV[2] and one['pending'] == 0 and one['idle'] > tonumber(ARGV[4]) then
        redis.pcall('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], one['name'])
      end
    end
  end
end
return {waiting, pending, gone}
";

/// An entry of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: String,
    /// How many bytes its fields have.
    pub size: usize,
    /// Its fields; of one that is too large, their beginning.
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// What this consumer took before and is not done with.
    Own,
    /// What others took and left, from behind that place on; what nobody has read, if there is nothing of it.
    Left(String),
    /// What nobody has read.
    New,
}

/// Where claiming begins.
pub const BEGINNING: &str = "0-0";

/// Entries that were taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// The entries.
    pub entries: Vec<Entry>,
    /// Where to go on claiming.
    pub cursor: String,
    /// Whether there may be more that this consumer took before.
    pub more_own: bool,
}

/// How a stream stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// How many entries nobody has read.
    pub waiting: i64,
    /// How many were read and are not done.
    pub pending: i64,
    /// How many were let go.
    pub trimmed: i64,
}

/// How much is read at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Most {
    /// How many entries.
    pub entries: usize,
    /// How many bytes an entry may have.
    pub bytes: usize,
    /// How many are told of one that has more.
    pub head: usize,
    /// After what time an entry is no longer its consumer's.
    pub idle: Duration,
}

/// A consumer of streams.
pub struct Streams {
    link: Link,
    consumer: String,
    take: Script,
    look: Script,
}

impl Streams {
    /// The consumer of that name on the way to Redis.
    pub fn new(link: Link, consumer: String) -> Self {
        Self { link, consumer, take: Script::new(TAKE), look: Script::new(LOOK) }
    }

    /// Takes entries of a stream. They are this consumer's until they are done, or idle for too long.
    ///
    /// # Errors
    /// When Redis is away or refuses.
    pub async fn take(&self, stream: &str, reading: &Reading, most: Most) -> Result<Taken, String> {
        let (mode, cursor) = match reading {
            Reading::Own => ("own", BEGINNING),
            Reading::Left(cursor) => ("claim", cursor.as_str()),
            Reading::New => ("new", BEGINNING),
        };
        let call = Call::new(&self.take, stream)
            .arg(GROUP)
            .arg(self.consumer.as_str())
            .arg(mode)
            .number(most.entries)
            .number(MOST_BYTES)
            .number(most.bytes)
            .number(most.head)
            .number(most.idle.as_millis())
            .arg(cursor);
        let answer = self.link.one(call).await?;
        type Fields = Vec<Vec<u8>>;
        let (entries, cursor, more): (Vec<(String, usize, Fields)>, String, i64) = read(answer)?;
        let entry = |(id, size, parts): (String, usize, Fields)| {
            let mut fields = Vec::with_capacity(parts.len() / 2);
            let mut parts = parts.into_iter();
            while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
                fields.push((name, value));
            }
            Entry { id, size, fields }
        };
        let entries = entries.into_iter().map(entry).collect();
        Ok(Taken { entries, cursor, more_own: more > 0 })
    }

    /// Says that entries are done.
    ///
    /// # Errors
    /// When Redis is away: they come again.
    pub async fn done(&self, stream: &str, ids: &[String]) -> Result<(), String> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut command = redis::cmd("XACK");
        command.arg(stream).arg(GROUP).arg(ids);
        self.link.send(stream, command).await.map(|_| ())
    }

    /// How a stream stands. With `tidy`, what every group is done with goes from it.
    ///
    /// # Errors
    /// When Redis is away or refuses.
    pub async fn look(&self, stream: &str, tidy: bool) -> Result<Standing, String> {
        let call = Call::new(&self.look, stream)
            .arg(GROUP)
            .arg(self.consumer.as_str())
            .number(u8::from(tidy))
            .number(GONE.as_millis());
        let answer = self.link.one(call).await?;
        let (waiting, pending, trimmed): (i64, i64, i64) = read(answer)?;
        Ok(Standing { waiting, pending, trimmed })
    }
}

fn read<T: FromRedisValue>(answer: Value) -> Result<T, String> {
    redis::from_redis_value(answer).map_err(|error| error.to_string())
}
