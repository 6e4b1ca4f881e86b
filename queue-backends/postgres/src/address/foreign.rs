//! What libpq takes and skep does not: said by name, with what to do instead, since whoever is not told believes that
//! it holds.

/// Beginnings of parameters, and what to do instead.
const PARAMETERS: [(&str, &str); 7] = [
    ("service", "service files are not read: name the server in the URL"),
    ("hostaddr", "write host=, which may be an address"),
    ("passfile", "say PGPASSFILE, or write password_file= for a file that holds the password alone"),
    ("target_session_attrs", "name the primary, or a pooler or a virtual address that leads to it"),
    ("load_balance_hosts", "name one host, or a pooler"),
    ("keepalives", TIMEOUT),
    ("tcp_user_timeout", TIMEOUT),
];
const TIMEOUT: &str = "skep gives up what is not answered within answer_timeout, and asks the server to look for \
     clients that are gone after 30 s";

/// Why a parameter that libpq knows is none here.
pub(super) fn parameter(name: &str) -> Option<String> {
    let (_, instead) = PARAMETERS.iter().find(|(begins, _)| name.starts_with(begins))?;
    Some(format!("the parameter {name} is not supported: {instead}"))
}

/// Why the environment cannot say which server is meant. What the URL names is not asked for.
pub(super) fn environment(
    named: impl Fn(&str) -> bool,
    variable: impl Fn(&str) -> Option<String>,
) -> Option<String> {
    let says = |name: &str| variable(name).filter(|text| !text.is_empty());
    if !(named("host") && named("dbname")) && says("PGSERVICE").is_some() {
        return Some(
            "PGSERVICE is set, but service files are not read: name host and database in the URL".into(),
        );
    }
    let several = |(parameter, name): &(&str, &str)| {
        !named(parameter) && says(name).is_some_and(|text| text.contains(','))
    };
    let hosts = [("host", "PGHOST"), ("host", "PGHOSTADDR"), ("port", "PGPORT")];
    hosts.iter().find(|pair| several(pair)).map(|(_, name)| format!("{name} names several: {SEVERAL}"))
}

/// What to do instead of naming several hosts.
pub(super) const SEVERAL: &str = "several hosts are not supported: name one, or a pooler or a virtual address that \
     leads to the primary";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_url_leaves_out_must_be_clear_from_the_environment() {
        let table = [
            ("PGSERVICE", "jobs", "", "service files are not read"),
            ("PGSERVICE", "jobs", "host", "service files are not read"),
            ("PGSERVICE", "jobs", "host dbname", ""),
            ("PGSERVICE", "", "", ""),
            ("PGHOST", "a,b", "", "PGHOST names several"),
            ("PGHOST", "a,b", "host", ""),
            ("PGHOST", "a", "", ""),
            ("PGHOSTADDR", "10.0.0.1,10.0.0.2", "", "PGHOSTADDR names several"),
            ("PGPORT", "5432,5433", "host", "PGPORT names several"),
            ("PGPORT", "5432,5433", "host port", ""),
        ];
        for (variable, value, named, words) in table {
            let named_in = |name: &str| named.split(' ').any(|one| one == name);
            let why = environment(named_in, |name| (name == variable).then(|| value.to_owned()));
            let fits = match words {
                "" => why.is_none(),
                words => why.as_ref().is_some_and(|why| why.contains(words)),
            };
            assert!(fits, "{variable}={value} with {named:?} in the URL: {why:?}");
        }
    }
}
