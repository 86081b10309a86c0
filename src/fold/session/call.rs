//! A tool call while it is folded: its record so far, and what is known only until the end.

use crate::json::{Json, merge_metadata};
use crate::model::event::{ToolCallEnded, ToolCallStarted};
use crate::model::record::ToolCallRecord;
use crate::model::status::{StatusMeaning, ToolCallStatus};

/// A tool call so far.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) record: ToolCallRecord,
    /// No start of it has been seen.
    pub(crate) implicit: bool,
    /// Its arguments were given; an empty object may be the default or a value.
    has_arguments: bool,
    /// Its result was given; `null` may be the default or a value.
    has_result: bool,
    /// What streamed in; becomes the result if none is given.
    output: Option<String>,
}

impl Call {
    /// A call that is running and of which nothing else is known.
    pub(crate) fn new(call_id: &str) -> Call {
        let mut record = ToolCallRecord::new(call_id, "");
        record.status = ToolCallStatus::Running;
        Call { record, implicit: true, has_arguments: false, has_result: false, output: None }
    }

    /// A call that came whole: its record stays as it is.
    pub(crate) fn whole(record: ToolCallRecord) -> Call {
        // One that says of itself that it still runs may yet stream its result.
        let has_result = record.meaning().is_over() || !record.result.is_null();
        Call { record, implicit: false, has_arguments: true, has_result, output: None }
    }

    /// Its start. Only what is missing is taken from it, unless it is a retry.
    pub(crate) fn start(&mut self, started: ToolCallStarted<'_>, retry: bool) {
        if retry {
            self.reset();
        }
        let record = &mut self.record;
        if retry || record.tool_name.is_empty() {
            record.tool_name = started.tool_name.into_string();
        }
        if let Some(arguments) = started.arguments
            && (retry || !self.has_arguments)
        {
            record.arguments = arguments;
            self.has_arguments = true;
        }
        if let Some(context) = started.sandbox_context
            && (retry || record.sandbox_context.is_null())
        {
            record.sandbox_context = context;
        }
        merge_metadata(&mut record.metadata, started.metadata);
        self.implicit = false;
    }

    /// Forgets how it ended, since it is tried again.
    fn reset(&mut self) {
        self.record.status = ToolCallStatus::Running;
        self.record.result = Json::null();
        self.record.error = None;
        self.record.duration_ms = None;
        self.has_result = false;
        self.output = None;
    }

    /// A piece of its output. An event of an interrupted call shows that it runs again.
    pub(crate) fn output(&mut self, text: &str) {
        if self.record.meaning() == StatusMeaning::Interrupted {
            self.record.status = ToolCallStatus::Running;
        }
        self.output.get_or_insert_default().push_str(text);
    }

    /// Its end. At a second end the later data holds, and what only the first one brought stays.
    pub(crate) fn end(&mut self, ended: ToolCallEnded<'_>) {
        let record = &mut self.record;
        if let Some(name) = ended.tool_name
            && record.tool_name.is_empty()
        {
            record.tool_name = name.into_string();
        }
        record.status = ToolCallStatus::ended(ended.status, ended.error.as_deref());
        record.error = ended.error.map(|error| error.into_string());
        record.duration_ms = ended.duration_ms.or(record.duration_ms);
        if let Some(result) = ended.result {
            record.result = result;
            self.has_result = true;
        }
        merge_metadata(&mut record.metadata, ended.metadata);
    }

    /// What it comes to.
    pub(crate) fn finish(mut self) -> ToolCallRecord {
        if let Some(output) = self.output
            && !self.has_result
        {
            self.record.result = Json::string(&output);
        }
        self.record
    }
}
