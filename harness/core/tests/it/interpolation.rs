//! Placeholders.

use proptest::prelude::*;
use seaworthy_core::system::interpolate::{
    AddressPart, InterpolateError, Placeholder, Template, resolve, resolve_known,
};

fn values(placeholder: &Placeholder) -> Option<String> {
    match placeholder {
        Placeholder::Port(name) if name == "http" => Some("4000".to_owned()),
        Placeholder::Edge { id, part } if id == "payments" => Some(part.of("127.0.0.1", 5000)),
        Placeholder::Edge { id, part: AddressPart::Port } if id == "orders -> inventory.grpc" => {
            Some("6000".to_owned())
        }
        Placeholder::Env { name, .. } if name == "HOME" => Some("/home/${sea}".to_owned()),
        _ => None,
    }
}

#[test]
fn placeholders_are_filled_in() {
    for (text, expected) in [
        ("", ""),
        ("plain $ text $HOME {x} $$", "plain $ text $HOME {x} $$"),
        ("0.0.0.0:${port.http}", "0.0.0.0:4000"),
        ("${edge.payments.url}/x", "http://127.0.0.1:5000/x"),
        ("${edge.payments.host} ${edge.payments.port}", "127.0.0.1 5000"),
        ("${edge.orders -> inventory.grpc.port}", "6000"),
        ("${env.HOME}", "/home/${sea}"),
        ("${env.NOWHERE:-a:-b c}", "a:-b c"),
        ("${env.NOWHERE:-}", ""),
        ("$${port.http}", "${port.http}"),
        ("$$${port.http}", "$${port.http}"),
    ] {
        assert_eq!(resolve(text, &values).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_not_known_yet_is_left_for_the_next_pass() {
    let first =
        resolve_known("${edge.payments.port} ${port.grpc} $${x} ${env.HOME} ${env.N:-d}", &values).unwrap();
    assert_eq!(first, "5000 ${port.grpc} $${x} /home/$${sea} ${env.N:-d}");
    let second = |placeholder: &Placeholder| {
        (*placeholder == Placeholder::Port("grpc".to_owned())).then(|| "7000".to_owned())
    };
    assert_eq!(resolve(&first, &second).unwrap(), "5000 7000 ${x} /home/${sea} d");
}

#[test]
fn what_is_no_placeholder_is_refused_with_what_was_meant() {
    for (text, message, help) in [
        ("a ${port.http", "`${port.http` has no closing `}`", "close it with `}`"),
        ("${prt.http}", "`${prt.http}` is not a placeholder", "did you mean `${port.http}`?"),
        (
            "${edge.payments}",
            "`${edge.payments}` is not a placeholder",
            "did you mean `${edge.payments.url}`?",
        ),
        ("${HOME}", "`${HOME}` is not a placeholder", "did you mean `${env.HOME}`?"),
        ("${}", "`${}` is not a placeholder", "known are"),
        ("${env.}", "`${env.}` is not a placeholder", ""),
        ("${env.A:-${env.B}}", "`${env.A:-${env.B}` is not a placeholder", ""),
        ("${port.}", "`${port.}` is not a placeholder", ""),
        ("${env.NOWHERE}", "`${env.NOWHERE}` has no value here", "set the variable `NOWHERE`"),
        ("${port.grpc}", "`${port.grpc}` has no value here", "name a port"),
    ] {
        let error = resolve(text, &values).unwrap_err();
        assert_eq!(error.to_string(), message);
        assert!(error.help().contains(help), "{text}: {}", error.help());
    }
    let at = |text: &str| match text.parse::<Template>() {
        Err(InterpolateError::Open { offset, .. } | InterpolateError::Unknown { offset, .. }) => Some(offset),
        _ => None,
    };
    assert_eq!(at("é $${x} ${y}"), Some("é $${x} ".len()));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[${}a-z.:\\- é]{0,40}") {
        if let Ok(template) = text.parse::<Template>() {
            let _ = template.fill(&values);
        }
    }

    /// However many passes a text goes through before the last one, it comes out as from one.
    #[test]
    fn a_pass_that_knows_nothing_changes_nothing(text in "([a$é ]|\\$\\$\\{|\\$\\{port\\.http\\}|\\$\\{env\\.A:-b\\}){0,12}") {
        let again = resolve_known(&text, &|_| None).unwrap();
        prop_assert_eq!(resolve(&again, &values), resolve(&text, &values));
    }
}
