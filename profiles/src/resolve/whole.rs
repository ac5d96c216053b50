//! Whether an object can be used, and why not: what is wrong with one is what is wrong with all that need it.

use alloc::{
    format,
    string::{String, ToString},
};

use super::Resolver;

impl Resolver<'_> {
    /// Looks at another object, of which nothing is known to be wrong.
    pub(super) fn begin(&mut self) {
        self.broken = false;
        self.because = None;
    }

    /// Whether the object at hand, which this line begins, can be used. Why it cannot, is kept for those that need it.
    pub(super) fn is_whole(&mut self, line: &str) -> bool {
        if self.broken {
            let why = self.because.clone().unwrap_or_default();
            self.reasons.insert(line.to_string(), why);
        }
        !self.broken
    }

    /// The object at hand cannot be used, for this reason unless another is known already.
    pub(super) fn breaks(&mut self, why: impl FnOnce() -> String) {
        self.broken = true;
        self.because.get_or_insert_with(why);
    }

    /// A part that the object at hand needs, and the line that begins it. One that is not there makes it useless; why it is
    /// not, was told where it is.
    pub(super) fn part<T>(&mut self, line: &str, part: Option<T>) -> Option<T> {
        if part.is_none() {
            let why = self.reasons.get(line).filter(|why| !why.is_empty());
            let why = why.map_or_else(String::new, |why| format!(": {why}"));
            self.breaks(|| format!("`{line}` cannot be used{why}"));
        }
        part
    }

    /// Nothing that AAA has a part in can be used without this line.
    pub(super) fn needs_new_model(&mut self) {
        if !self.candidate.aaa.new_model {
            self.breaks(|| "there is no `aaa new-model`".to_string());
        }
    }
}
