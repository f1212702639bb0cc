//! What was asked of EC2: an action with parameters, as a form.

use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub action: String,
    pub params: BTreeMap<String, String>,
    /// The target and the body of a request to a service that speaks JSON.
    pub json: Option<(String, String)>,
}

impl Call {
    pub fn new(action: &str, params: &[(&str, &str)]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self {
            action: action.to_owned(),
            params: params.iter().map(owned).collect(),
            json: None,
        }
    }

    /// `AmazonSSM.GetParameters` with its body.
    pub fn of_json(target: &str, body: &str) -> Self {
        let action = target.rsplit('.').next().unwrap_or_default();
        Self {
            json: Some((target.to_owned(), body.to_owned())),
            ..Self::new(action, &[])
        }
    }

    pub fn parse(form: &str) -> Self {
        let pairs = form.split('&').filter_map(|pair| pair.split_once('='));
        let pairs = pairs.map(|(name, value)| (decode(name), decode(value)));
        let mut params: BTreeMap<_, _> = pairs.collect();
        Self {
            action: params.remove("Action").unwrap_or_default(),
            params,
            json: None,
        }
    }

    pub fn form(&self) -> String {
        let action = format!("Action={}&Version=2016-11-15", self.action);
        let params = self.params.iter().filter(|(name, _)| *name != "Version");
        let params = params.map(|(name, value)| format!("{}={}", encode(name), encode(value)));
        [action]
            .into_iter()
            .chain(params)
            .collect::<Vec<_>>()
            .join("&")
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.params.get(name).map(String::as_str)
    }

    /// The values of `prefix.1`, `prefix.2` and so on.
    pub fn list(&self, prefix: &str) -> Vec<&str> {
        (1..)
            .map_while(|n| self.get(&format!("{prefix}.{n}")))
            .collect()
    }

    /// `Filter.1.Name` with `Filter.1.Value.1` and so on.
    pub fn filters(&self) -> Vec<(&str, Vec<&str>)> {
        let name = |n: usize| self.get(&format!("Filter.{n}.Name"));
        (1..)
            .map_while(|n| Some((name(n)?, self.list(&format!("Filter.{n}.Value")))))
            .collect()
    }

    /// How many parts of that form there are: `TagSpecification.1.Tag.7.Key` and the like.
    pub fn count(&self, prefix: &str, suffix: &str) -> usize {
        let names = self.params.keys();
        names
            .filter(|name| name.starts_with(prefix) && name.ends_with(suffix))
            .count()
    }

    /// Whether anything is another afterwards.
    pub fn is_change(&self) -> bool {
        let reads = ["Describe", "Get", "Assume"];
        !reads.iter().any(|read| self.action.starts_with(read))
    }

    pub fn is_of_sts(&self) -> bool {
        self.action == "GetCallerIdentity" || self.action.starts_with("AssumeRole")
    }
}

fn encode(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    text.bytes().fold(String::new(), |mut all, b| {
        if plain(b) {
            all.push(char::from(b));
        } else {
            all += &format!("%{b:02X}");
        }
        all
    })
}

fn decode(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut all = Vec::new();
    while let Some(b) = bytes.next() {
        let mut digit = || char::from(bytes.next().unwrap_or(b'0')).to_digit(16);
        all.push(match b {
            b'+' => b' ',
            b'%' => {
                let number = digit().unwrap_or(0) * 16 + digit().unwrap_or(0);
                u8::try_from(number).expect("two digits of sixteen")
            }
            _ => b,
        });
    }
    String::from_utf8(all).expect("a form is text")
}
