//! A Pact Broker in this process: the HAL resources as documented, over a ledger in a folder. It wants credentials,
//! and refuses requests that a broker would not understand.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::Response;
use base64::Engine;
use seaworthy_contracts::gate::{self, Answer, Picture, Question};
use seaworthy_contracts::ledger::facts::{Facts, ResultFact, Schema};
use seaworthy_contracts::ledger::{
    Folder, PactDocument, Publication, Record, Recording, Selection, Selector, Timestamp, selector,
};
use serde_json::{Value, json};

/// The token that it wants, and user with password that it takes as well.
pub(super) const TOKEN: &str = "tok-abcdefghijklmnop";
pub(super) const USER: (&str, &str) = ("ann", "p@ss word");

pub(super) struct StandIn {
    pub(super) url: String,
    pub(super) ledger: Folder,
    /// Method, path and body of each request that was let in.
    pub(super) seen: Arc<Mutex<Vec<(String, String, Value)>>>,
    _folder: tempfile::TempDir,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[derive(Clone)]
struct Shared {
    url: String,
    ledger: Folder,
    seen: Arc<Mutex<Vec<(String, String, Value)>>>,
    /// In place of an answer to this path: status and body.
    instead: Arc<BTreeMap<String, (u16, String)>>,
}

/// Starts one.
pub(super) async fn start() -> StandIn {
    start_with(&[]).await
}

/// Starts one that answers some paths in another way.
pub(super) async fn start_with(instead: &[(&str, u16, &str)]) -> StandIn {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Folder::new(folder.path().join("ledger"));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/broker", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let instead =
        instead.iter().map(|(path, status, body)| ((*path).to_owned(), (*status, (*body).to_owned())));
    let shared = Shared {
        url: url.clone(),
        ledger: ledger.clone(),
        seen: seen.clone(),
        instead: Arc::new(instead.collect()),
    };
    let app = Router::new().fallback(answer).with_state(shared);
    let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    StandIn { url, ledger, seen, _folder: folder, server }
}

fn hal(status: u16, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, "application/hal+json;charset=utf-8".parse().unwrap());
    response
}

fn decoded(text: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
            out.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).unwrap()
}

fn basic() -> String {
    let pair = format!("{}:{}", USER.0, USER.1);
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
}

async fn answer(State(shared): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let given = parts.headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if given != format!("Bearer {TOKEN}") && given != basic() {
        return hal(401, &json!({"error": format!("no such credentials: {given}")}));
    }
    let body: Bytes = axum::body::to_bytes(body, 10_000_000).await.unwrap();
    let body: Value = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
    let path = parts.uri.path().strip_prefix("/broker").unwrap_or("/elsewhere").to_owned();
    shared.seen.lock().unwrap().push((parts.method.to_string(), path.clone(), body.clone()));
    if let Some((status, body)) = shared.instead.get(&path) {
        let mut response = Response::new(Body::from(body.clone()));
        *response.status_mut() = StatusCode::from_u16(*status).unwrap();
        if *status == 301 {
            response.headers_mut().insert(header::LOCATION, body.parse().unwrap());
        }
        return response;
    }
    let query = parts.uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    let query: Vec<(String, String)> = query.map(|(key, value)| (decoded(key), decoded(value))).collect();
    let segments: Vec<String> = path.split('/').filter(|part| !part.is_empty()).map(decoded).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let facts = shared.ledger.facts().unwrap_or_default();
    match (&parts.method, segments.as_slice()) {
        (&Method::GET, []) => hal(200, &index(&shared.url)),
        (&Method::POST, ["contracts", "publish"]) => publish(&shared, &body),
        (&Method::POST, ["pacts", "provider", provider, "for-verification"]) => {
            for_verification(&shared, &facts, provider, &body)
        }
        (&Method::GET, ["pacts", "provider", provider, "consumer", consumer, "pact-version", content]) => {
            pact(&shared, &facts, provider, consumer, content)
        }
        (
            &Method::POST,
            [
                "pacts",
                "provider",
                provider,
                "consumer",
                consumer,
                "pact-version",
                content,
                "verification-results",
            ],
        ) => {
            let result = ResultFact {
                schema_version: Schema,
                consumer: (*consumer).to_owned(),
                content: (*content).to_owned(),
                success: body["success"].as_bool().unwrap(),
                verified: 1,
                failed: 0,
                verified_at: Timestamp::from_unix_millis(1_795_000_000_000),
                kept_at: None,
                build_url: None,
            };
            let version = body["providerApplicationVersion"].as_str().unwrap();
            shared.ledger.record_result(provider, version, None, &result).unwrap();
            hal(201, &json!({}))
        }
        (&Method::PUT, ["pacticipants", name, "branches", branch, "versions", version]) => {
            let publication = Publication {
                consumer: (*name).to_owned(),
                version: (*version).to_owned(),
                branch: Some((*branch).to_owned()),
                tags: Vec::new(),
                build_url: None,
                pacts: Vec::new(),
                at: Timestamp::from_unix_millis(1_795_000_000_000),
            };
            shared.ledger.publish(&publication).unwrap();
            hal(200, &json!({}))
        }
        (&Method::GET, ["pacticipants", name]) => {
            let picture = Picture::of_facts(&facts, &question(&[], "none"));
            match picture.versions.contains_key(*name) {
                true => hal(200, &json!({"name": name})),
                false => hal(404, &json!({"error": "Not found"})),
            }
        }
        (&Method::GET, ["pacticipants", name, "versions", version]) => {
            let known = facts.services.get(*name).is_some_and(|known| known.versions.contains_key(*version));
            if !known {
                return hal(404, &json!({"error": "Not found"}));
            }
            let link = |what: &str| json!([{"name": "production", "href": format!("{}/pacticipants/{name}/versions/{version}/{what}/environment/uuid-1", shared.url)}]);
            hal(
                200,
                &json!({"number": version, "_links": {
                    "pb:record-deployment": link("deployed-versions"),
                    "pb:record-release": link("released-versions"),
                }}),
            )
        }
        (&Method::POST, ["pacticipants", name, "versions", version, what, "environment", "uuid-1"]) => {
            let what = match *what {
                "deployed-versions" => Recording::Deployment,
                _ => Recording::Release,
            };
            record(&shared, what, name, version);
            hal(201, &json!({}))
        }
        (&Method::GET, ["environments"]) => {
            let self_link = json!({"self": {"href": format!("{}/environments/uuid-1", shared.url)}});
            hal(
                200,
                &json!({
                    "_embedded": {"environments": [{"uuid": "uuid-1", "name": "production", "_links": self_link}]},
                    "_links": {},
                }),
            )
        }
        (&Method::GET, ["environments", "uuid-1"]) => hal(
            200,
            &json!({"name": "production", "_links": {
                "pb:currently-deployed-deployed-versions": {"href": format!("{}/environments/uuid-1/deployed", shared.url)},
                "pb:currently-supported-released-versions": {"href": format!("{}/environments/uuid-1/released", shared.url)},
            }}),
        ),
        (&Method::GET, ["environments", "uuid-1", what]) => present(&shared, &facts, what, &query),
        (&Method::PATCH, [_, service, version]) => {
            let kind = parts.headers.get("content-type").unwrap();
            assert_eq!(kind, "application/merge-patch+json");
            assert!(
                body == json!({"currentlyDeployed": false}) || body == json!({"currentlySupported": false})
            );
            record(&shared, Recording::Undeployment, service, version);
            hal(200, &json!({}))
        }
        (&Method::GET, ["matrix"]) => matrix(&facts, &query),
        _ => hal(404, &json!({"error": "The requested document was not found on this server."})),
    }
}

fn index(url: &str) -> Value {
    let link = |path: &str| json!({"href": format!("{url}{path}")});
    json!({"_links": {
        "self": link(""),
        "pb:publish-contracts": link("/contracts/publish"),
        "pb:provider-pacts-for-verification": link("/pacts/provider/{provider}/for-verification"),
        "pb:pacticipant": link("/pacticipants/{pacticipant}"),
        "pb:pacticipant-version": link("/pacticipants/{pacticipant}/versions/{version}"),
        "pb:pacticipant-branch-version": link("/pacticipants/{pacticipant}/branches/{branch}/versions/{version}"),
        "pb:environments": link("/environments"),
    }})
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} in {value}"))
}

fn publish(shared: &Shared, body: &Value) -> Response {
    let contracts = body["contracts"].as_array().unwrap();
    let pacts = contracts.iter().map(|contract| {
        assert_eq!(
            (text(contract, "specification"), text(contract, "contentType")),
            ("pact", "application/json")
        );
        let content = base64::engine::general_purpose::STANDARD.decode(text(contract, "content")).unwrap();
        PactDocument {
            name: "published".to_owned(),
            consumer: text(contract, "consumerName").to_owned(),
            provider: text(contract, "providerName").to_owned(),
            document: serde_json::from_slice(&content).unwrap(),
        }
    });
    let publication = Publication {
        consumer: text(body, "pacticipantName").to_owned(),
        version: text(body, "pacticipantVersionNumber").to_owned(),
        branch: body["branch"].as_str().map(str::to_owned),
        tags: body["tags"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|tag| tag.as_str().unwrap().to_owned())
            .collect(),
        build_url: None,
        pacts: pacts.collect(),
        at: Timestamp::from_unix_millis(1_795_000_000_000),
    };
    match shared.ledger.publish(&publication) {
        Ok(_) => hal(
            200,
            &json!({
                "notices": [
                    {"type": "debug", "text": "made a version"},
                    {"type": "success", "text": format!("Pact published for {}", publication.consumer)},
                ],
                "_links": {},
            }),
        ),
        Err(error) => hal(409, &json!({"notices": [{"type": "error", "text": error.to_string()}]})),
    }
}

fn for_verification(shared: &Shared, facts: &Facts, provider: &str, body: &Value) -> Response {
    let selectors: Vec<Selector> = serde_json::from_value(body["consumerVersionSelectors"].clone()).unwrap();
    let include_pending = body["includePendingStatus"].as_bool().unwrap();
    let selection = Selection {
        provider: provider.to_owned(),
        provider_branch: body["providerVersionBranch"].as_str().map(str::to_owned),
        selectors,
        include_pending,
        wip_since: body["includeWipPactsSince"].as_str().map(|since| since.parse().unwrap()),
    };
    let selected = match selector::select(facts, &selection) {
        Ok(selected) => selected,
        Err(error) => return hal(400, &json!({"errors": {"consumerVersionSelectors": [error.to_string()]}})),
    };
    let pacts: Vec<Value> = selected
        .iter()
        .map(|one| {
            let mut properties = json!({"notices": [
                {"when": "before_verification", "text": format!("selected: {}", one.reasons.join(", "))},
                {"when": "after_verification:success_true_published_true", "text": "well done"},
            ]});
            if include_pending {
                properties["pending"] = json!(one.pending);
            }
            if one.wip {
                properties["wip"] = json!(true);
            }
            let href = format!(
                "{}/pacts/provider/{provider}/consumer/{}/pact-version/{}",
                shared.url, one.consumer, one.content
            );
            json!({"verificationProperties": properties, "_links": {"self": {"href": href, "name": "a pact"}}})
        })
        .collect();
    hal(200, &json!({"_embedded": {"pacts": pacts}, "_links": {}}))
}

fn pact(shared: &Shared, facts: &Facts, provider: &str, consumer: &str, content: &str) -> Response {
    let (_, bytes) = shared.ledger.content(content).unwrap();
    let mut pact: Value = serde_json::from_slice(&bytes).unwrap();
    let with = |facts: &&(&str, &seaworthy_contracts::ledger::facts::VersionFacts)| {
        facts.1.pacts.get(provider).is_some_and(|pact| pact.content == content)
    };
    let versions = facts.services[consumer].in_order();
    let version = versions.iter().rev().find(with).unwrap().0;
    pact["createdAt"] = json!("2026-11-20T00:00:00+00:00");
    pact["_links"] = json!({
        "self": {"href": "…"},
        "pb:consumer-version": {"title": "Consumer version", "name": version},
        "pb:publish-verification-results": {"href": format!(
            "{}/pacts/provider/{provider}/consumer/{consumer}/pact-version/{content}/verification-results", shared.url
        )},
    });
    hal(200, &pact)
}

fn record(shared: &Shared, what: Recording, service: &str, version: &str) {
    let record = Record {
        what,
        service: service.to_owned(),
        version: version.to_owned(),
        environment: "production".to_owned(),
        at: Timestamp::from_unix_millis(1_795_000_000_000),
    };
    shared.ledger.record(&record).unwrap();
}

fn present(shared: &Shared, facts: &Facts, what: &str, query: &[(String, String)]) -> Response {
    let there = facts.environments.get("production").cloned().unwrap_or_default();
    let deployed = there.deployed.iter().map(|(service, (version, _))| (service, version));
    let released =
        there.released.iter().flat_map(|(service, all)| all.keys().map(move |version| (service, version)));
    let all: Vec<(&String, &String)> =
        if what == "deployed" { deployed.collect() } else { released.collect() };
    let only = query.iter().find(|(key, _)| key == "pacticipant").map(|(_, value)| value);
    let list: Vec<Value> = all
        .into_iter()
        .filter(|(service, _)| only.is_none_or(|only| only == *service))
        .map(|(service, version)| {
            json!({
                "_embedded": {"pacticipant": {"name": service}, "version": {"number": version}},
                "_links": {"self": {"href": format!("{}/{what}-versions/{service}/{version}", shared.url)}},
            })
        })
        .collect();
    let name = if what == "deployed" { "deployedVersions" } else { "releasedVersions" };
    hal(200, &json!({"_embedded": {name: list}, "_links": {}}))
}

fn question(wanted: &[(String, String)], environment: &str) -> Question {
    Question {
        wanted: wanted.iter().cloned().collect(),
        environment: environment.to_owned(),
        ledger: String::new(),
    }
}

fn matrix(facts: &Facts, query: &[(String, String)]) -> Response {
    let all = |name: &str| -> Vec<String> {
        query.iter().filter(|(key, _)| key == name).map(|(_, value)| value.clone()).collect()
    };
    assert!(["cvp", "cvpv"].contains(&all("latestby")[0].as_str()));
    let wanted: Vec<(String, String)> =
        all("q[][pacticipant]").into_iter().zip(all("q[][version]")).collect();
    let row = |c: &str, cv: &str, p: &str, pv: Option<&str>, success: Option<bool>| {
        json!({
            "consumer": {"name": c, "version": {"number": cv}},
            "provider": {"name": p, "version": pv.map(|pv| json!({"number": pv}))},
            "verificationResult": success.map(|success| json!({
                "success": success, "verifiedAt": "2026-11-20T20:49:02+00:00",
            })),
        })
    };
    if let [environment] = all("environment").as_slice() {
        let question = question(&wanted, environment);
        let ruling = gate::can_i_deploy(&Picture::of_facts(facts, &question), &question);
        let deployable = match ruling.answer {
            Answer::Yes => json!(true),
            Answer::No => json!(false),
            Answer::Unknown => Value::Null,
        };
        let rows = ruling.rows.iter().filter(|row| row.provider_version.is_some()).map(|each| {
            let success = match each.state {
                gate::State::Verified => Some(true),
                gate::State::Failed => Some(false),
                _ => None,
            };
            row(
                &each.consumer,
                &each.consumer_version,
                &each.provider,
                each.provider_version.as_deref(),
                success,
            )
        });
        // As a broker does, rows without a result are left out; the reasons speak of them.
        let rows: Vec<Value> = rows.filter(|row| !row["verificationResult"].is_null()).collect();
        let notices = [json!({"type": "info", "text": "All that is known was looked at"})];
        return hal(
            200,
            &json!({"summary": {"deployable": deployable, "reason": "…"}, "notices": notices, "matrix": rows}),
        );
    }
    let [(service, version)] = wanted.as_slice() else { panic!("{query:?}") };
    let mut rows = Vec::new();
    for (consumer, known) in &facts.services {
        for (cv, known) in known.in_order().into_iter().rev() {
            for (provider, pact) in &known.pacts {
                let results = facts.services.get(provider).map(|known| known.in_order()).unwrap_or_default();
                let mut of_pact: Vec<Value> = results
                    .iter()
                    .rev()
                    .filter_map(|(pv, known)| {
                        let result = known.results.get(&pact.content)?;
                        let about =
                            (consumer == service && cv == version) || (provider == service && pv == version);
                        about.then(|| row(consumer, cv, provider, Some(pv), Some(result.success)))
                    })
                    .collect();
                if of_pact.is_empty() && consumer == service && cv == version {
                    of_pact.push(row(consumer, cv, provider, None, None));
                }
                rows.extend(of_pact);
            }
        }
    }
    hal(200, &json!({"summary": {"deployable": null}, "matrix": rows}))
}
