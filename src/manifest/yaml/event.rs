//! A safe face for libyaml's event parser: the only `unsafe` code of the manifest.

use std::ffi::CStr;
use std::marker::PhantomData;
use std::mem::MaybeUninit;

use libyaml_rs as sys;

/// A position in a text; both counted from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark {
    pub line: u32,
    pub column: u32,
}

impl Mark {
    /// The first character of a text.
    pub const START: Self = Self { line: 1, column: 1 };

    /// The place of a byte of a text.
    #[must_use]
    pub fn of_byte(text: &[u8], byte: usize) -> Self {
        let before = &text[..byte.min(text.len())];
        let line_start = before
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(0, |at| at + 1);
        let lines = before[..line_start].iter().filter(|b| **b == b'\n').count();
        let columns = String::from_utf8_lossy(&before[line_start..])
            .chars()
            .count();
        let from_one = |n: usize| u32::try_from(n).unwrap_or(u32::MAX - 1) + 1;
        Self {
            line: from_one(lines),
            column: from_one(columns),
        }
    }
}

impl From<sys::yaml_mark_t> for Mark {
    fn from(mark: sys::yaml_mark_t) -> Self {
        let from_one = |n: u64| u32::try_from(n).unwrap_or(u32::MAX - 1) + 1;
        Self {
            line: from_one(mark.line),
            column: from_one(mark.column),
        }
    }
}

pub(super) struct Event {
    pub kind: EventKind,
    pub start: Mark,
    pub end: Mark,
}

pub(super) enum EventKind {
    /// Begin and end of the stream, begin of a document.
    Frame,
    StreamEnd,
    DocumentEnd,
    Alias(String),
    Scalar {
        dress: Dress,
        text: String,
        /// Neither quoted nor a block: its type is guessed from its looks.
        is_plain: bool,
    },
    ListStart(Dress),
    ListEnd,
    MapStart(Dress),
    MapEnd,
}

/// What may stand before a node.
#[derive(Default)]
pub(super) struct Dress {
    pub anchor: Option<String>,
    pub tag: Option<String>,
}

/// What libyaml has to say about a text that is no YAML.
pub(super) struct SyntaxError {
    pub mark: Mark,
    /// Set instead of the mark when a character is refused before it is part of anything.
    pub byte: Option<usize>,
    pub problem: String,
    pub context: Option<String>,
}

/// Reads events from a text.
pub(super) struct Parser<'text> {
    /// On the heap, since libyaml keeps pointers into it.
    raw: Box<MaybeUninit<sys::yaml_parser_t>>,
    text: PhantomData<&'text str>,
}

impl<'text> Parser<'text> {
    pub fn new(text: &'text str) -> Self {
        let mut raw = Box::new(MaybeUninit::<sys::yaml_parser_t>::uninit());
        // SAFETY: `raw` is valid for writes and stays where it is; `text` outlives the parser by
        // the lifetime in its type, and is UTF-8.
        unsafe {
            let parser = raw.as_mut_ptr();
            assert!(
                sys::yaml_parser_initialize(parser).ok,
                "libyaml fails to initialise only without memory"
            );
            sys::yaml_parser_set_encoding(parser, sys::YAML_UTF8_ENCODING);
            sys::yaml_parser_set_input_string(parser, text.as_ptr(), text.len() as u64);
        }
        Self {
            raw,
            text: PhantomData,
        }
    }

    /// The next event; after an error there is no other.
    pub fn next_event(&mut self) -> Result<Event, SyntaxError> {
        let mut event = MaybeUninit::<sys::yaml_event_t>::uninit();
        // SAFETY: the parser was initialised in `new`; the event is initialised when the call says
        // so, is read before it is deleted, and everything kept from it is copied.
        unsafe {
            let parser = self.raw.as_mut_ptr();
            if sys::yaml_parser_parse(parser, event.as_mut_ptr()).fail {
                return Err(syntax_error(&*parser));
            }
            let mut event = event.assume_init();
            let copy = Event {
                kind: copy_kind(&event),
                start: event.start_mark.into(),
                end: event.end_mark.into(),
            };
            sys::yaml_event_delete(&raw mut event);
            Ok(copy)
        }
    }
}

impl Drop for Parser<'_> {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`, deleted once.
        unsafe { sys::yaml_parser_delete(self.raw.as_mut_ptr()) }
    }
}

/// # Safety
/// `event` was filled by libyaml and not deleted yet.
unsafe fn copy_kind(event: &sys::yaml_event_t) -> EventKind {
    // SAFETY: each arm reads the field of the union that its type says is there.
    unsafe {
        match event.type_ {
            sys::YAML_STREAM_END_EVENT => EventKind::StreamEnd,
            sys::YAML_DOCUMENT_END_EVENT => EventKind::DocumentEnd,
            sys::YAML_ALIAS_EVENT => {
                EventKind::Alias(copy_text(event.data.alias.anchor).unwrap_or_default())
            }
            sys::YAML_SCALAR_EVENT => {
                let scalar = &event.data.scalar;
                let length = usize::try_from(scalar.length).unwrap_or_default();
                let bytes = std::slice::from_raw_parts(scalar.value, length);
                EventKind::Scalar {
                    dress: dress(scalar.anchor, scalar.tag),
                    text: String::from_utf8_lossy(bytes).into_owned(),
                    is_plain: scalar.style == sys::YAML_PLAIN_SCALAR_STYLE,
                }
            }
            sys::YAML_SEQUENCE_START_EVENT => {
                let start = &event.data.sequence_start;
                EventKind::ListStart(dress(start.anchor, start.tag))
            }
            sys::YAML_SEQUENCE_END_EVENT => EventKind::ListEnd,
            sys::YAML_MAPPING_START_EVENT => {
                let start = &event.data.mapping_start;
                EventKind::MapStart(dress(start.anchor, start.tag))
            }
            sys::YAML_MAPPING_END_EVENT => EventKind::MapEnd,
            // The beginnings; libyaml's enum is not exhaustive.
            _ => EventKind::Frame,
        }
    }
}

/// # Safety
/// Both are null or point at text that ends with NUL.
unsafe fn dress(anchor: *const u8, tag: *const u8) -> Dress {
    // SAFETY: as the caller promises.
    unsafe {
        Dress {
            anchor: copy_text(anchor),
            tag: copy_text(tag),
        }
    }
}

/// # Safety
/// `text` is null or points at text that ends with NUL.
unsafe fn copy_text(text: *const u8) -> Option<String> {
    // SAFETY: as the caller promises.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text.cast()).to_string_lossy().into_owned() })
}

/// # Safety
/// The parser has just failed: its messages are null or static text.
unsafe fn syntax_error(parser: &sys::yaml_parser_t) -> SyntaxError {
    // SAFETY: as the caller promises.
    unsafe {
        SyntaxError {
            mark: parser.problem_mark.into(),
            byte: (parser.error == sys::YAML_READER_ERROR)
                .then(|| usize::try_from(parser.problem_offset).unwrap_or_default()),
            problem: copy_text(parser.problem.cast())
                .unwrap_or_else(|| "it is not YAML".to_owned()),
            context: copy_text(parser.context.cast()),
        }
    }
}
