//! How far a long work is, for whoever waits for it.

/// A step of a long work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// A part begins.
    Begins {
        /// What is done in it.
        what: &'static str,
        /// How many items it has, where that is known.
        of: Option<u64>,
    },
    /// So many more items are done.
    Went(u64),
}

/// Who is told. It must not take long: the work waits for it.
pub type Observer<'a> = &'a dyn Fn(Progress);
