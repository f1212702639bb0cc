//! Where a value is within a document: nothing but a few words on the stack, until something is said of it.

use std::fmt;

/// The path of a value, for people: `spec.machine.memory`.
#[derive(Clone, Copy)]
pub(super) enum At<'a> {
    Root,
    Field(&'a At<'a>, &'a str),
    Item(&'a At<'a>, usize),
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Self::Root, key) => f.write_str(key),
            Self::Field(above, key) => write!(f, "{above}.{key}"),
            Self::Item(above, number) => write!(f, "{above}[{number}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_from_the_root_down() {
        let spec = At::Field(&At::Root, "spec");
        let sources = At::Field(&spec, "sources");
        let second = At::Item(&sources, 1);
        assert_eq!(At::Root.to_string(), "");
        assert_eq!(At::Field(&second, "url").to_string(), "spec.sources[1].url");
    }
}
