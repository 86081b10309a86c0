//! What Codex puts into the conversation in the user's name: instructions, the environment, notices. None of it is a
//! prompt.

use crate::json::members::{Object, array, text};
use crate::model::event::Attachment;

/// Elements that Codex writes, by name: `<environment_context> ... </environment_context>`. Other elements may be what
/// the user wrote.
const ELEMENTS: &[&str] = &[
    "app-context",
    "apps_instructions",
    "codex_internal_context",
    "collaboration_mode",
    "environment_context",
    "goal_context",
    "hook_prompt",
    "instructions",
    "model_switch",
    "permissions",
    "personality_spec",
    "plugins_instructions",
    "recommended_plugins",
    "skill",
    "skills_instructions",
    "subagent_notification",
    "turn_aborted",
    "user_action",
    "user_instructions",
    "user_shell_command",
];
/// Elements whose names begin like this are a client's own context.
const EXTERNAL: &str = "external_";
/// Texts without an element around them, by how they begin.
const LEADS: &[&str] = &[
    "# AGENTS.md instructions",
    "Warning: apply_patch was requested via ",
    "Warning: Your account was flagged for potentially high-risk cyber activity",
    "Warning: The maximum number of unified exec processes you can keep open is",
];

/// What a user's message asks for, without what was injected: its words, and what came with them. `None` if all of it
/// was injected.
pub(super) fn prompt_of(item: &Object<'_>) -> Option<(String, Vec<Attachment>)> {
    let content = item.raw("content").unwrap_or("null");
    if let Some(words) = text(content) {
        return (!is_injected(&words)).then(|| (words.into_string(), Vec::new()));
    }
    let parts = array(content).unwrap_or_default();
    let kinds = kinds_of(item).filter(|kinds| kinds.len() == parts.len());
    let (mut words, mut attachments, mut asks) = (Vec::new(), Vec::new(), false);
    for (at, part) in parts.iter().enumerate() {
        let Some(part) = Object::parse(part) else { continue };
        let said = part.text("text");
        let injected = match &kinds {
            Some(kinds) => !is_users(&kinds[at]),
            None => said.as_deref().is_some_and(is_injected),
        };
        if injected || said.as_deref().is_some_and(is_frame) {
            continue;
        }
        asks = true;
        match said {
            Some(said) => words.push(said.into_string()),
            None => attachments.extend(attachment(&part)),
        }
    }
    asks.then(|| (words.join("\n"), attachments))
}

/// What the recorder itself says about the parts of a message.
fn kinds_of(item: &Object<'_>) -> Option<Vec<String>> {
    let kinds = item.object("internal_chat_message_metadata_passthrough")?.array("content_item_kinds")?;
    Some(kinds.into_iter().map(|kind| text(kind).map(|kind| kind.into_string()).unwrap_or_default()).collect())
}

/// Whether a part of this kind is the user's, or replaces one that could not be sent.
fn is_users(kind: &str) -> bool {
    kind.starts_with("user.")
        || matches!(kind, "" | "unknown" | "images.preparation_error" | "images.unsupported" | "audio.unsupported")
}

fn is_injected(words: &str) -> bool {
    let words = words.trim();
    LEADS.iter().any(|lead| words.starts_with(lead)) || element_around(words).is_some_and(is_of_codex)
}

fn is_of_codex(name: &str) -> bool {
    name.starts_with(EXTERNAL) || ELEMENTS.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// The name of the element that a text is, all of it.
fn element_around(words: &str) -> Option<&str> {
    let inner = words.strip_prefix('<')?;
    let name = inner.split(|letter: char| letter == '>' || letter.is_whitespace()).next()?;
    let end = words.strip_suffix('>')?;
    let closing = end.get(end.rfind("</")? + 2..)?;
    // `<permissions instructions>` is closed by all of its words.
    let closes = closing.split_whitespace().next()?.eq_ignore_ascii_case(name);
    closes.then_some(name)
}

/// Whether a text only marks where an image stands.
fn is_frame(words: &str) -> bool {
    let words = words.trim();
    words == "</image>" || (words.starts_with("<image") && words.ends_with('>') && !words.contains("</"))
}

fn attachment(part: &Object<'_>) -> Option<Attachment> {
    let url = part.text("image_url").or_else(|| part.text("file_url"));
    let name = Some(part.text("type")?.trim_start_matches("input_").to_owned());
    Some(match url {
        // The content itself is never taken, only what is known about it.
        Some(url) => match url.strip_prefix("data:").and_then(|data| data.split_once(";base64,")) {
            Some((media_type, data)) => Attachment {
                name,
                media_type: Some(media_type.to_owned()),
                bytes: Some(data.len() as u64 / 4 * 3),
                ..Attachment::default()
            },
            None => Attachment { name, uri: Some(url.into_string()), ..Attachment::default() },
        },
        None => Attachment { name, ..Attachment::default() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(item: &str) -> Option<(String, Vec<Attachment>)> {
        prompt_of(&Object::parse(item).expect("an object"))
    }

    fn prompt(content: &str) -> Option<String> {
        asked(&format!(r#"{{"content":{content}}}"#)).map(|(words, _)| words)
    }

    #[test]
    fn what_was_injected_is_no_prompt() {
        for injected in [
            "# AGENTS.md instructions for /srv\\n\\n<INSTRUCTIONS>\\nx\\n</INSTRUCTIONS>",
            "<environment_context>\\n  <cwd>/srv</cwd>\\n</environment_context>\\n",
            "<user_instructions>x</user_instructions>",
            "<permissions instructions>x</permissions instructions>",
            "<hook_prompt hook_run_id=\\\"7\\\">x</hook_prompt>",
            "<external_editor>x</external_editor>",
            "<ENVIRONMENT_CONTEXT>x</ENVIRONMENT_CONTEXT>",
        ] {
            assert_eq!(prompt(&format!(r#"[{{"type":"input_text","text":"{injected}"}}]"#)), None, "{injected}");
            assert_eq!(prompt(&format!("\"{injected}\"")), None, "{injected}");
        }
        for asked in
            ["Look", "<question>What?</question>", "<skill> is a word", "a <skill>b</skill>", "<", "</skill>", ""]
        {
            assert_eq!(prompt(&format!(r#"[{{"type":"input_text","text":"{asked}"}}]"#)).as_deref(), Some(asked));
        }
    }

    #[test]
    fn only_the_users_parts_of_a_message_are_its_prompt() {
        let image = r#"{"type":"input_image","image_url":"data:image/png;base64,AAAA"}"#;
        let content = format!(
            r#"[{{"type":"input_text","text":"<environment_context></environment_context>"}},{{"type":"input_text","text":"<image name=[Image #1]>"}},{image},{{"type":"input_text","text":"</image>"}},{{"type":"input_text","text":"Why?"}}]"#
        );
        let item = format!(r#"{{"content":{content}}}"#);
        let (words, attachments) = asked(&item).expect("a prompt");
        assert_eq!((words.as_str(), attachments.len(), attachments[0].bytes), ("Why?", 1, Some(3)));
        // What the recorder says about the parts holds.
        let kinds = r#""internal_chat_message_metadata_passthrough":{"content_item_kinds":["instructions.agents","user.text"]}"#;
        let parts = r#"[{"type":"input_text","text":"Be brief"},{"type":"input_text","text":"<skill>x</skill>"}]"#;
        let item = format!(r#"{{"content":{parts},{kinds}}}"#);
        assert_eq!(asked(&item).map(|(words, _)| words).as_deref(), Some("<skill>x</skill>"));
    }
}
