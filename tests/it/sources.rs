//! The project's Rust sources as text: which file imports from which, what ships, and how long functions are.
//!
//! A reader for this code base's own style, not a Rust parser. It knows modules, trees of `use`, paths in code, re-exports
//! and macros that define items. It does not see calls of methods, which need no import.

use std::collections::{BTreeMap, BTreeSet};

/// One file: its module and its code without comments, strings and tests.
struct File {
    module: Vec<String>,
    tokens: Vec<String>,
    /// What the file defines, members of impls included.
    defines: BTreeSet<String>,
    /// What it re-exports: the path, and the name it has here.
    exports: Vec<(Vec<String>, String)>,
}

/// The files of a crate, by their paths.
pub struct Sources {
    files: BTreeMap<String, File>,
    modules: BTreeMap<Vec<String>, String>,
}

impl Sources {
    /// Files by their paths from the project's root: `src/json/mod.rs`.
    pub fn new(texts: impl IntoIterator<Item = (String, String)>) -> Sources {
        let mut sources = Sources { files: BTreeMap::new(), modules: BTreeMap::new() };
        for (path, text) in texts {
            let module = module_of(&path);
            let tokens = tokens(&shipped(&text));
            let defines = definitions(&tokens);
            sources.modules.insert(module.clone(), path.clone());
            sources.files.insert(path, File { module, tokens, defines, exports: Vec::new() });
        }
        for path in sources.files.keys().cloned().collect::<Vec<_>>() {
            let exports = sources.uses(&path).into_iter().filter(|found| found.is_export);
            let exports = exports.map(|found| (found.path, found.name)).collect();
            sources.files.get_mut(&path).unwrap().exports = exports;
        }
        sources
    }

    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// The files that a file takes something from, and what. A module's re-exports of its own children are no imports: a
    /// use of such a name counts as one from the file that defines it.
    pub fn imports(&self, path: &str) -> BTreeMap<&str, BTreeSet<String>> {
        let file = &self.files[path];
        let mut found: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        let mut add = |name: &[String]| {
            if let Some(target) = self.definer(name, 0).filter(|target| *target != path) {
                found.entry(target).or_default().insert(name.last().cloned().unwrap_or_default());
            }
        };
        let uses = self.uses(path);
        for found in &uses {
            if !(found.is_export && found.path.starts_with(&file.module)) {
                add(&found.path);
            }
        }
        for name in self.names(path, &uses) {
            add(&name);
        }
        found
    }

    /// The file that defines what an absolute path names; re-exports are followed.
    fn definer(&self, name: &[String], depth: usize) -> Option<&str> {
        let known = (0..=name.len()).rev().find(|length| self.modules.contains_key(&name[..*length]))?;
        let path = self.modules[&name[..known]].as_str();
        let Some(item) = name.get(known).filter(|item| *item != "*") else { return Some(path) };
        let file = &self.files[path];
        if file.defines.contains(item) || depth > 8 {
            return Some(path);
        }
        let by_name = file.exports.iter().find(|(_, shown)| shown == item);
        if let Some((origin, _)) = by_name {
            return self.definer(origin, depth + 1);
        }
        let globs =
            file.exports.iter().filter(|(_, shown)| shown == "*").map(|(origin, _)| &origin[..origin.len() - 1]);
        let mut inside = globs.map(|origin| [origin, std::slice::from_ref(item)].concat());
        let found = inside.find_map(|name| {
            let path = self.definer(&name, depth + 1)?;
            self.files[path].defines.contains(item).then_some(path)
        });
        found.or(Some(path))
    }

    /// The absolute form of a path; `None` if it leads out of the crate. `inside` is the number of inline modules around it.
    fn absolute(&self, module: &[String], path: &[String], inside: usize) -> Option<Vec<String>> {
        let own = |rest: &[String]| Some([module, rest].concat());
        match path[0].as_str() {
            "crate" => Some(path[1..].to_vec()),
            "self" => own(&path[1..]),
            "super" => {
                let up = path.iter().take_while(|part| *part == "super").count();
                let up_here = up.saturating_sub(inside);
                Some([&module[..module.len().saturating_sub(up_here)], &path[up..]].concat())
            }
            first => {
                let child = [module, &[first.to_owned()]].concat();
                if self.modules.contains_key(&child) { own(path) } else { None }
            }
        }
    }

    /// The leaves of every `use` in a file that stay in the crate.
    fn uses(&self, path: &str) -> Vec<Use> {
        let file = &self.files[path];
        let mut found = Vec::new();
        for (at, inside) in statements(&file.tokens) {
            let before =
                file.tokens[..at].iter().rev().find(|token| *token != ")" && *token != "(" && *token != "crate");
            let is_export = inside == 0 && before.is_some_and(|token| token == "pub" || token == "super");
            let mut rest = &file.tokens[at + 1..];
            for (leaf, name) in leaves(&mut rest, &[]) {
                if let Some(path) = self.absolute(&file.module, &leaf, inside) {
                    found.push(Use { path, name, is_export });
                }
            }
        }
        found
    }

    /// Paths in code that begin at the crate, above, at a child module or at a module that was imported.
    fn names(&self, path: &str, uses: &[Use]) -> Vec<Vec<String>> {
        let file = &self.files[path];
        let scope: BTreeMap<&str, &Vec<String>> = uses
            .iter()
            .filter(|found| self.modules.contains_key(&found.path))
            .map(|found| (found.name.as_str(), &found.path))
            .collect();
        let statements: BTreeMap<usize, usize> = statements(&file.tokens).into_iter().collect();
        let (mut found, mut at) = (Vec::new(), 0);
        let mut inline = Inline::default();
        while at < file.tokens.len() {
            inline.step(&file.tokens, at);
            if statements.contains_key(&at) {
                at += file.tokens[at..].iter().position(|token| token == ";").unwrap_or(1);
                continue;
            }
            let mut end = at + 1;
            if is_word(&file.tokens[at]) && (at == 0 || file.tokens[at - 1] != "::") {
                while end + 1 < file.tokens.len() && file.tokens[end] == "::" && is_word(&file.tokens[end + 1]) {
                    end += 2;
                }
            }
            let in_visibility = at >= 2 && file.tokens[at - 1] == "in" && file.tokens[at - 2] == "(";
            if end > at + 1 && !in_visibility {
                let parts: Vec<String> = file.tokens[at..end].iter().step_by(2).cloned().collect();
                match scope.get(parts[0].as_str()) {
                    Some(module) => found.push([module.as_slice(), &parts[1..]].concat()),
                    None => found.extend(self.absolute(&file.module, &parts, inline.depth())),
                }
            }
            at = end;
        }
        found
    }
}

/// A leaf of a `use`, as an absolute path.
struct Use {
    path: Vec<String>,
    name: String,
    is_export: bool,
}

/// Counts the inline modules around a place.
#[derive(Default)]
struct Inline {
    braces: usize,
    opened_at: Vec<usize>,
}

impl Inline {
    fn step(&mut self, tokens: &[String], at: usize) {
        match tokens[at].as_str() {
            "{" => {
                self.braces += 1;
                if at >= 2 && tokens[at - 2] == "mod" {
                    self.opened_at.push(self.braces);
                }
            }
            "}" => {
                self.opened_at.pop_if(|braces| *braces == self.braces);
                self.braces = self.braces.saturating_sub(1);
            }
            _ => {}
        }
    }

    fn depth(&self) -> usize {
        self.opened_at.len()
    }
}

/// Where each `use` is, and in how many inline modules.
fn statements(tokens: &[String]) -> Vec<(usize, usize)> {
    let (mut found, mut inline) = (Vec::new(), Inline::default());
    for at in 0..tokens.len() {
        inline.step(tokens, at);
        if tokens[at] == "use" {
            found.push((at, inline.depth()));
        }
    }
    found
}

/// The leaves of a tree of `use`, each with the name it has in the file.
fn leaves(rest: &mut &[String], prefix: &[String]) -> Vec<(Vec<String>, String)> {
    let mut path = prefix.to_vec();
    let next = |rest: &mut &[String]| {
        let (first, others) =
            rest.split_first().map_or((String::new(), &[][..]), |(first, rest)| (first.clone(), rest));
        *rest = others;
        first
    };
    loop {
        match next(rest).as_str() {
            "{" => {
                let mut all = Vec::new();
                while rest.first().is_some_and(|token| token != "}") {
                    all.extend(leaves(rest, &path));
                    if rest.first().is_some_and(|token| token == ",") {
                        next(rest);
                    }
                }
                next(rest);
                return all;
            }
            "self" if !path.is_empty() => {}
            part => path.push(part.to_owned()),
        }
        if rest.first().is_none_or(|token| token != "::") {
            break;
        }
        next(rest);
    }
    let mut name = path.last().cloned().unwrap_or_default();
    if rest.first().is_some_and(|token| token == "as") {
        next(rest);
        name = next(rest);
    }
    vec![(path, name)]
}

fn is_word(token: &str) -> bool {
    token.starts_with(|letter: char| letter.is_alphabetic() || letter == '_')
}

/// What is defined by keyword, and by macros that are called at the top: there a name follows an attribute or a definition.
fn definitions(tokens: &[String]) -> BTreeSet<String> {
    const KEYWORDS: &[&str] = &["fn", "struct", "enum", "trait", "type", "const", "static", "union"];
    let mut found = BTreeSet::new();
    let (mut depth, mut in_macro) = (0, false);
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).map_or("", |before| tokens[before].as_str());
        match token.as_str() {
            "{" => {
                in_macro |= depth == 0 && before == "!";
                depth += 1;
            }
            "}" => {
                depth -= 1;
                in_macro &= depth > 0;
            }
            name if is_word(name) => {
                let is_macro = at >= 2 && before == "!" && tokens[at - 2] == "macro_rules";
                let in_call = in_macro && depth == 1 && ["{", "}", "]"].contains(&before);
                if is_macro || in_call || KEYWORDS.contains(&before) {
                    found.insert(name.to_owned());
                }
            }
            _ => {}
        }
    }
    found
}

fn tokens(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let letters: Vec<char> = code.chars().collect();
    let mut at = 0;
    while at < letters.len() {
        let letter = letters[at];
        let mut end = at + 1;
        if letter.is_alphanumeric() || letter == '_' {
            while end < letters.len() && (letters[end].is_alphanumeric() || letters[end] == '_') {
                end += 1;
            }
        } else if letter == ':' && letters.get(end) == Some(&':') {
            end += 1;
        }
        if !letter.is_whitespace() {
            found.push(letters[at..end].iter().collect());
        }
        at = end;
    }
    found
}

fn module_of(path: &str) -> Vec<String> {
    let path = path.strip_prefix("src/").unwrap_or(path).trim_end_matches(".rs");
    let mut parts: Vec<String> = path.split('/').map(str::to_owned).collect();
    parts.pop_if(|last| last == "mod" || last == "lib");
    parts
}

/// The code that ships, line by line where it was: without comments, strings and items under `#[cfg(test)]`.
pub fn shipped(text: &str) -> String {
    let mut code: Vec<char> = code(text).chars().collect();
    let marker: Vec<char> = "#[cfg(test)]".chars().collect();
    let mut at = 0;
    while at + marker.len() <= code.len() {
        if code[at..at + marker.len()] != marker[..] {
            at += 1;
            continue;
        }
        let mut end = at + marker.len();
        // Other attributes may follow, then the item to its semicolon or its closing brace.
        while code.get(end).is_some_and(|letter| letter.is_whitespace() || *letter == '#') {
            end = if code[end] == '#' { closing(&code, end + 1) } else { end + 1 };
        }
        while code.get(end).is_some_and(|letter| !matches!(letter, ';' | '{')) {
            end += 1;
        }
        end = if code.get(end) == Some(&'{') { closing(&code, end) } else { (end + 1).min(code.len()) };
        code[at..end].iter_mut().filter(|letter| **letter != '\n').for_each(|letter| *letter = ' ');
        at = end;
    }
    code.into_iter().collect()
}

/// The place after the bracket that closes the one here.
fn closing(code: &[char], from: usize) -> usize {
    let mut depth = 0;
    for (at, letter) in code.iter().enumerate().skip(from) {
        match letter {
            '{' | '[' | '(' => depth += 1,
            '}' | ']' | ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    code.len()
}

/// The text with comments, strings and characters blanked out; every line stays where it was.
fn code(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut out = letters.clone();
    let mut at = 0;
    while at < letters.len() {
        let end = match letters[at] {
            '/' if letters.get(at + 1) == Some(&'/') => {
                letters[at..].iter().position(|letter| *letter == '\n').map_or(letters.len(), |length| at + length)
            }
            '"' => end_of_string(&letters, at),
            'r' if !at
                .checked_sub(1)
                .is_some_and(|before| letters[before].is_alphanumeric() && letters[before] != 'b') =>
            {
                end_of_raw_string(&letters, at).unwrap_or(at)
            }
            '\'' => end_of_character(&letters, at).unwrap_or(at),
            _ => at,
        };
        out[at..end].iter_mut().filter(|letter| **letter != '\n').for_each(|letter| *letter = ' ');
        at = end.max(at + 1);
    }
    out.into_iter().collect()
}

fn end_of_string(letters: &[char], from: usize) -> usize {
    let mut at = from + 1;
    while at < letters.len() && letters[at] != '"' {
        at += if letters[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(letters.len())
}

fn end_of_raw_string(letters: &[char], from: usize) -> Option<usize> {
    let marks = letters[from + 1..].iter().take_while(|letter| **letter == '#').count();
    let begin = from + 1 + marks;
    if letters.get(begin) != Some(&'"') {
        return None;
    }
    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', marks)).collect();
    let length = letters[begin + 1..].windows(end.len()).position(|window| window == end)?;
    Some(begin + 1 + length + end.len())
}

fn end_of_character(letters: &[char], from: usize) -> Option<usize> {
    let first = *letters.get(from + 1)?;
    if first == '\\' {
        let length = letters[from + 3..].iter().take(10).position(|letter| *letter == '\'')?;
        return Some(from + 3 + length + 1);
    }
    (letters.get(from + 2) == Some(&'\'') && first != '\'').then_some(from + 3)
}

/// Every function: the line where it begins, counted from 1, and how many lines follow to its closing brace. A signature
/// may span several lines.
pub fn functions(code: &str) -> Vec<(usize, usize)> {
    let letters: Vec<char> = code.chars().collect();
    let line_of = |at: usize| letters[..at].iter().filter(|letter| **letter == '\n').count();
    let mut found = Vec::new();
    for at in 0..letters.len().saturating_sub(3) {
        let is_start = at == 0 || !(letters[at - 1].is_alphanumeric() || letters[at - 1] == '_');
        let is_function = is_start && letters[at..at + 3] == ['f', 'n', ' '] && letters[at + 3].is_alphabetic();
        if !is_function {
            continue;
        }
        let mut end = at;
        while end < letters.len() && !matches!(letters[end], '{' | ';') {
            end = if matches!(letters[end], '(' | '[') { closing(&letters, end) } else { end + 1 };
        }
        if letters.get(end) == Some(&'{') {
            let (first, last) = (line_of(at), line_of(closing(&letters, end) - 1));
            found.push((first + 1, last - first));
        }
    }
    found
}
