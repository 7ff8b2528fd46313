//! Lua patterns: our matcher finds the same as Lua's, and its time is bounded where Lua's is not.
//!
//! The tests that send thousands of generated patterns and subjects through `lua5.4` are ignored unless asked for.
//! `make test` asks for them where `lua5.4` is installed.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::random::Random;
use jet::rules::{Capture, Pattern};

/// Reads lines `<pattern> <subject>` in hexadecimal, and writes for each `E <message>`, `N`, or `<start> <end>` and
/// the captures.
const SCRIPT: &str = r#"
local function unhex(s) return (s:gsub('%x%x', function(h) return string.char(tonumber(h, 16)) end)) end
local function hex(s) return (s:gsub('.', function(c) return string.format('%02x', c:byte()) end)) end
local out = {}
for line in io.lines() do
  local p, s = line:match('^(%x*) (%x*)$')
  local r = table.pack(pcall(string.find, unhex(s), unhex(p)))
  if not r[1] then out[#out + 1] = 'E ' .. r[2]
  elseif not r[2] then out[#out + 1] = 'N'
  else
    local t = {r[2], r[3]}
    -- Find takes a pattern like 'a)' for plain text, match for a mistake.
    local captured = table.pack(pcall(string.match, unhex(s), unhex(p)))
    if not captured[1] then captured = {true, unhex(s):sub(r[2], r[3])} end
    for i = 2, #captured do
      local c = captured[i]
      t[#t + 1] = type(c) == 'number' and '@' .. c or 'x' .. hex(c)
    end
    out[#out + 1] = table.concat(t, ' ')
  end
end
io.write(table.concat(out, '\n'), '\n')
"#;

/// The pieces of patterns, valid and invalid ones.
const PIECES: [&str; 64] = [
    "a", "b", "c", "A", "1", ".", "%a", "%d", "%l", "%s", "%u", "%w", "%x", "%p", "%c", "%g", "%z", "%A",
    "%D", "%L", "%S", "%U", "%W", "%X", "%P", "%C", "%G", "%.", "%%", "[abc]", "[^a]", "[a-c]", "[%a1]",
    "[%d-x]", "[]]", "[^]]", "[a-]", "[-a]", "[a%]]", "[^%w]", "(", ")", "(a)", "(.-)", "(%w*)", "()", "%1",
    "%2", "%b()", "%bab", "%f[%w]", "%f[^a]", "%f[%z]", "^", "$", "*", "+", "-", "?", "é", "\0", "[", "%",
    "%f",
];

const QUANTIFIERS: [&str; 8] = ["", "", "", "", "*", "+", "-", "?"];

const SUBJECT_PIECES: [&str; 20] = [
    "a", "b", "c", "A", "B", "1", "2", " ", "_", ".", "(", ")", "ab", "aab", "abc", "é", "\0", "]", "-", "^",
];

/// Makes random patterns and subjects.
struct Generator(Random);

impl Generator {
    fn pattern(&mut self) -> String {
        let mut pattern = if self.0.below(6) == 0 { "^".to_owned() } else { String::new() };
        for _ in 0..self.0.below(6) {
            pattern.push_str(self.0.pick(&PIECES));
            pattern.push_str(self.0.pick(&QUANTIFIERS));
        }
        if self.0.below(6) == 0 {
            pattern.push('$');
        }
        pattern
    }

    fn subject(&mut self) -> String {
        (0..self.0.below(9)).map(|_| self.0.pick(&SUBJECT_PIECES)).collect()
    }
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns what Lua finds for each pair of a pattern and a subject.
fn ask_lua(pairs: &[(String, String)]) -> Vec<String> {
    let mut lua = Command::new("lua5.4")
        .args(["-e", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("lua5.4 starts");
    let mut stdin = lua.stdin.take().expect("piped");
    let lines: String = pairs.iter().map(|(p, s)| format!("{} {}\n", hex(p), hex(s))).collect();
    stdin.write_all(lines.as_bytes()).expect("lua reads");
    drop(stdin);
    let output = lua.wait_with_output().expect("lua ends");
    String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect()
}

/// Returns the result of our matcher in the same form.
fn ask_us(pattern: &str, subject: &str) -> String {
    let pattern = match Pattern::compile(pattern) {
        Ok(pattern) => pattern,
        Err(mistake) => return format!("E {mistake}"),
    };
    let found = pattern.find(subject);
    assert_eq!(found.is_some(), pattern.is_match(subject));
    let Some(captures) = found else {
        return "N".into();
    };
    let mut out = format!("{} {}", captures.range().start + 1, captures.range().end);
    for number in 1..=captures.len() {
        match captures.get(number).expect("within its length") {
            Capture::Position(position) => out.push_str(&format!(" @{position}")),
            Capture::Bytes(bytes) => {
                out.push_str(" x");
                bytes.iter().for_each(|byte| out.push_str(&format!("{byte:02x}")));
            }
        }
    }
    out
}

#[test]
#[ignore = "needs lua5.4"]
fn results_are_those_of_lua() {
    let mut generator = Generator(Random::new(7));
    let mut pairs: Vec<(String, String)> =
        (0..60_000).map(|_| (generator.pattern(), generator.subject())).collect();
    // Half of the random patterns are invalid. Patterns of valid pieces give more matches.
    pairs.extend((0..60_000).map(|_| {
        let pattern = (0..=generator.0.below(4))
            .map(|_| format!("{}{}", generator.0.pick(&PIECES[..40]), generator.0.pick(&QUANTIFIERS)))
            .collect();
        (pattern, generator.subject())
    }));
    let matches = compare(&pairs);
    assert!(matches > 20_000, "{matches} matches are too few");
}

#[test]
#[ignore = "needs lua5.4"]
fn hard_matches_come_out_like_the_easy_ones() {
    let mut random = Random::new(11);
    let mut long = |pieces: &[&str], count: usize| -> String {
        (0..count + random.below(count)).map(|_| random.pick(pieces)).collect()
    };
    // Enough steps for the matcher to remember failures, and not too many for Lua.
    let pairs: Vec<_> = (0..3_000)
        .map(|_| {
            let end = long(&["b", "c", "$", "", "b$", "()c"], 1);
            let pattern =
                long(&["a*", "[ab]*", "(.-)", "a-", "a-b", "b-", "a?", ".*", "(%a+)", "()"], 3) + &end;
            (pattern, long(&["a", "a", "a", "b"], 16))
        })
        .collect();
    compare(&pairs);
}

/// Compares our results with Lua's for all pairs, and returns how many pairs match.
fn compare(pairs: &[(String, String)]) -> usize {
    let answers = ask_lua(pairs);
    assert_eq!(answers.len(), pairs.len());
    for ((pattern, subject), lua) in pairs.iter().zip(&answers) {
        let ours = ask_us(pattern, subject);
        // Lua reports only the first mistake that its match reaches.
        let is_late = ours.starts_with('E') && (lua == "N" || lua.starts_with('E'));
        assert!(ours == *lua || is_late, "{pattern:?} on {subject:?}: lua {lua:?}, ours {ours:?}");
    }
    answers.iter().filter(|lua| !lua.starts_with(['E', 'N'])).count()
}

#[test]
fn mistakes_are_told_in_the_words_of_lua() {
    for (pattern, mistake) in [
        ("a%", "malformed pattern (ends with '%')"),
        ("[a", "malformed pattern (missing ']')"),
        ("[%]", "malformed pattern (missing ']')"),
        ("[]", "malformed pattern (missing ']')"),
        ("%b(", "malformed pattern (missing arguments to '%b')"),
        ("%fa", "missing '[' after '%f' in pattern"),
        ("(a))", "invalid pattern capture"),
        ("(a", "unfinished capture"),
        ("%1", "invalid capture index %1"),
        ("(a%1)", "invalid capture index %1"),
        ("%0", "invalid capture index %0"),
        (&"()".repeat(33), "too many captures"),
        (&"a?".repeat(201), "pattern too complex"),
    ] {
        assert_eq!(Pattern::compile(pattern).expect_err(pattern), mistake);
    }
}

#[test]
fn hostile_patterns_take_no_time() {
    let long = "a".repeat(5_000);
    let started = Instant::now();
    for (pattern, expected) in [
        ("a*a*a*a*a*a*a*a*a*a*b", false),
        ("^a-a-a-a-a-a-a-a-a-a-$", true),
        ("(a*)*(a*)(.-)(.-)(.-)b", false),
        ("a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?b", false),
        ("[ab]*[ac]*[ad]*()x", false),
    ] {
        assert_eq!(Pattern::compile(pattern).expect("valid").is_match(&long), expected, "{pattern}");
    }
    // Their time is bounded by a limit of steps; beyond it they do not match.
    for pattern in ["(a*)(a*)(a*)%1%2%3b", "(.-)(.-)(.-)(.-)%4%3%2%1b", "%bab.-%bab.-%bab"] {
        assert!(!Pattern::compile(pattern).expect("valid").is_match(&long), "{pattern}");
    }
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[test]
fn case_can_be_ignored() {
    let pattern = Pattern::case_insensitive("^Net/%D+(X)$").expect("valid");
    assert_eq!(pattern.source(), "^net/%d+(x)$");
    assert!(pattern.is_match("nET/12x") && !pattern.is_match("net/abx"));
    let captures = pattern.find("NET/1X").expect("matches");
    assert_eq!(captures.get(1), Some(Capture::Bytes(b"X")));
    assert!(Pattern::case_insensitive("(a)%1").expect("valid").is_match("xaA"));
}

#[test]
fn literal_starts_are_what_every_match_starts_with() {
    for (pattern, expected) in [
        ("^net/", Some(("net/", false))),
        ("^name$", Some(("name", true))),
        ("^$", Some(("", true))),
        ("^ab?", Some(("a", false))),
        ("^ab+", Some(("ab", false))),
        ("^ab%.c", Some(("ab", false))),
        ("^a$b", Some(("a", false))),
        ("^a%$", Some(("a", false))),
        ("^(ab)", None),
        ("^.", None),
        ("^", None),
        ("ab$", None),
        ("^é", None),
    ] {
        assert_eq!(Pattern::compile(pattern).expect("valid").literal_start(), expected, "{pattern}");
    }
    assert_eq!(Pattern::case_insensitive("^a").expect("valid").literal_start(), None);
}
