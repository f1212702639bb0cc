//! Why a text is no office hours.

/// What is wrong with office hours, and the next move.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HoursError {
    #[error("office hours need a window; write one such as `Mon-Fri 09:00-19:00`")]
    NoWindows,
    #[error("`{0}` names no time zone; add one at the end, such as `{0} Asia/Seoul`")]
    NoZone(String),
    #[error("`{0}` is not a time zone; write its IANA name, such as `Asia/Seoul`")]
    NotAZone(String),
    #[error("`{found}` is not a time zone; did you mean `{meant}`?")]
    MeantZone { found: String, meant: String },
    #[error(
        "`{0}` is an offset and knows no daylight saving time; name a zone, such as `Asia/Seoul`"
    )]
    Offset(String),
    #[error("`{0}` names no days; put them first, such as `Mon-Fri {0}` or `daily {0}`")]
    NoDays(String),
    #[error("`{0}` has no times; add when it opens and closes, such as `09:00-19:00`")]
    NoTimes(String),
    #[error("`{0}` is not a day; write `Mon`, `Tue`, `Wed`, `Thu`, `Fri`, `Sat`, `Sun` or `daily`")]
    NotADay(String),
    #[error("`{found}` is not a day; did you mean `{meant}`?")]
    MeantDay { found: String, meant: String },
    #[error("`{0}` is not a time; write hours and minutes, such as `09:00`")]
    NotATime(String),
    #[error("`{found}` is not a time; did you mean `{meant}`?")]
    MeantTime { found: String, meant: String },
    #[error("`{0}` does not say when it opens and closes; write both, such as `09:00-19:00`")]
    NotTimes(String),
    #[error("`{0}` stands behind the times; put a comma between windows, and the zone at the end")]
    BehindTimes(String),
    #[error("`{0}` never opens; write `00:00-24:00` for the whole day")]
    NeverOpens(String),
    #[error("`{first}` and `{second}` overlap; let one end before the other begins")]
    Overlap { first: String, second: String },
}
