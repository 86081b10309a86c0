//! Secrets of every kind that the documents name, made up by rules and put wherever agents meet secrets; and code, in which
//! there are none.
//!
//! No secret is in this file: a shape says how one is made, and a seed which one it is.

use crate::support::{Dice, Lab};
use foldlog::{ExportOptions, Format, Journal, Json, TextDelta, ToolCallEnded, ToolCallStarted, TurnStarted};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

const EXAMPLES: usize = 5;
/// The seed of the corpus: another one gives other secrets of the same shapes.
const SEED: u64 = 27;

/// A kind, and its shape: `{A36}` stands for 36 letters and digits, and so on as in [`alphabet`]. What is secret stands
/// between `<<` and `>>`.
const PREFIXED: &[(&str, &str)] = &[
    ("anthropic", "<<sk-ant-api03-{u93}AA>>"),
    ("anthropic oauth", "<<sk-ant-oat01-{u80}>>"),
    ("openai", "<<sk-proj-{u74}T3BlbkFJ{u74}>>"),
    ("openai, old", "<<sk-{A20}T3BlbkFJ{A20}>>"),
    ("openai service", "<<sk-svcacct-{u60}>>"),
    ("openrouter", "<<sk-or-v1-{h64}>>"),
    ("langfuse", "<<sk-lf-{h8}-{h4}-{h4}-{h4}-{h12}>>"),
    ("elevenlabs", "<<sk_{h48}>>"),
    ("hugging face", "<<hf_{A34}>>"),
    ("groq", "<<gsk_{A52}>>"),
    ("xai", "<<xai-{A80}>>"),
    ("perplexity", "<<pplx-{A48}>>"),
    ("replicate", "<<r8_{A37}>>"),
    ("nvidia", "<<nvapi-{u64}>>"),
    ("cerebras", "<<csk-{a48}>>"),
    ("fireworks", "<<fw_{A24}>>"),
    ("tavily", "<<tvly-{A32}>>"),
    ("jina", "<<jina_{A60}>>"),
    ("pinecone", "<<pcsk_{A5}_{A60}>>"),
    ("langsmith", "<<lsv2_pt_{h32}_{h10}>>"),
    ("anyscale", "<<esecret_{a28}>>"),
    ("e2b", "<<e2b_{h40}>>"),
    ("firecrawl", "<<fc-{h32}>>"),
    ("wandb", "<<wandb_v1_{A60}>>"),
    ("aws key id", "<<AKIA{b16}>>"),
    ("aws session key id", "<<ASIA{b16}>>"),
    ("aws bedrock", "<<ABSK{B120}>>"),
    ("alibaba", "<<LTAI{A20}>>"),
    ("google key", "<<AIza{u35}>>"),
    ("google client secret", "<<GOCSPX-{u28}>>"),
    ("google access token", "<<ya29.{u120}>>"),
    ("google refresh token", "<<1//0{u60}>>"),
    ("digitalocean", "<<dop_v1_{h64}>>"),
    ("heroku", "<<HRKU-AA{u58}>>"),
    ("fly", "<<fm2_{B120}>>"),
    ("render", "<<rnd_{A32}>>"),
    ("netlify", "<<nfp_{A36}>>"),
    ("vercel", "<<vcp_{A56}>>"),
    ("supabase", "<<sbp_{h40}>>"),
    ("neon", "<<napi_{a64}>>"),
    ("cloudflare origin", "<<v1.0-{h24}-{h146}>>"),
    ("tailscale", "<<tskey-auth-{A16}-{A32}>>"),
    ("yandex", "<<AQVN{u36}>>"),
    ("planetscale", "<<pscale_tkn_{u43}>>"),
    ("mongodb service", "<<mdb_sa_sk_{u40}>>"),
    ("databricks", "<<dapi{h32}>>"),
    ("dbt", "<<dbtc_{u40}>>"),
    ("clickhouse", "<<4b1d{A38}>>"),
    ("github", "<<ghp_{A36}>>"),
    ("github app", "<<ghs_{A36}>>"),
    ("github fine-grained", "<<github_pat_{A22}_{A59}>>"),
    ("gitlab", "<<glpat-{u20}>>"),
    ("gitlab, routable", "<<glpat-{u30}.01.{a9}>>"),
    ("gitlab runner", "<<glrt-{u20}>>"),
    ("bitbucket", "<<ATBB{A32}>>"),
    ("atlassian", "<<ATATT3{u186}>>"),
    ("npm", "<<npm_{A36}>>"),
    ("pypi", "<<pypi-AgEIcHlwaS5vcmc{u80}>>"),
    ("crates.io", "<<cio{A32}>>"),
    ("rubygems", "<<rubygems_{h48}>>"),
    ("nuget", "<<oy2{a43}>>"),
    ("clojars", "<<CLOJARS_{h60}>>"),
    ("docker hub", "<<dckr_pat_{u27}>>"),
    ("artifactory", "<<AKCp{A69}>>"),
    ("circleci", "<<CCIPAT_{A22}_{h40}>>"),
    ("buildkite", "<<bkua_{h40}>>"),
    ("sonar", "<<sqp_{h40}>>"),
    ("sourcegraph", "<<sgp_{h16}_{h40}>>"),
    ("octopus", "<<API-{U26}>>"),
    ("harness", "<<pat.{u22}.{A24}.{A20}>>"),
    ("postman", "<<PMAK-{h24}-{h34}>>"),
    ("readme", "<<rdme_{a70}>>"),
    ("vault", "<<hvs.{u95}>>"),
    ("vault batch", "<<hvb.{u140}>>"),
    ("doppler", "<<dp.pt.{A43}>>"),
    ("pulumi", "<<pul-{h40}>>"),
    ("1password", "<<A3-{U6}-{U11}-{U5}-{U5}-{U5}>>"),
    ("age", "<<AGE-SECRET-KEY-1{U58}>>"),
    ("openshift", "<<sha256~{u43}>>"),
    ("prefect", "<<pnu_{A36}>>"),
    ("slack bot", "<<xoxb-{d12}-{d12}-{A24}>>"),
    ("slack user", "<<xoxp-{d11}-{d11}-{d12}-{h32}>>"),
    ("slack app", "<<xapp-1-A{U10}-{d13}-{h64}>>"),
    ("slack webhook", "https://<<hooks.slack.com/services/T{U8}/B{U10}/{A24}>>"),
    ("discord webhook", "https://<<discord.com/api/webhooks/{d18}/{u68}>>"),
    ("discord bot", "<<MT{A22}.{u6}.{u38}>>"),
    ("telegram bot", "<<{n10}:AA{u33}>>"),
    ("sendgrid", "<<SG.{u22}.{u43}>>"),
    ("brevo", "<<xkeysib-{h64}-{A16}>>"),
    ("mailgun", "<<key-{h32}>>"),
    ("mailchimp", "<<{h32}-us12>>"),
    ("resend", "<<re_{A8}_{A24}>>"),
    ("notion", "<<ntn_{d11}{A35}>>"),
    ("linear", "<<lin_api_{A40}>>"),
    ("figma", "<<figd_{u43}>>"),
    ("typeform", "<<tfp_{u59}>>"),
    ("contentful", "<<CFPAT-{u43}>>"),
    ("hubspot", "<<pat-na1-{h8}-{h4}-{h4}-{h4}-{h12}>>"),
    ("twilio", "<<SK{h32}>>"),
    ("facebook", "<<EAAC{A140}>>"),
    ("adobe", "<<p8e-{A32}>>"),
    ("stripe", "<<sk_live_{A24}>>"),
    ("stripe restricted", "<<rk_live_{A24}>>"),
    ("stripe webhook", "<<whsec_{A32}>>"),
    ("shopify", "<<shpat_{h32}>>"),
    ("square", "<<sq0atp-{u22}>>"),
    ("shippo", "<<shippo_live_{h40}>>"),
    ("easypost", "<<EZAK{A54}>>"),
    ("duffel", "<<duffel_live_{u43}>>"),
    ("flutterwave", "<<FLWSECK_TEST-{h32}-X>>"),
    ("plaid", "<<access-production-{h8}-{h4}-{h4}-{h4}-{h12}>>"),
    ("grafana", "<<glsa_{A32}_{h8}>>"),
    ("grafana cloud", "<<glc_{B80}>>"),
    ("sentry", "<<sntryu_{h64}>>"),
    ("new relic", "<<NRAK-{U27}>>"),
    ("dynatrace", "<<dt0c01.{U24}.{U64}>>"),
    ("honeycomb", "<<hcaik_{a58}>>"),
    ("airtable", "<<pat{A14}.{h64}>>"),
    ("azure application", "<<{A3}8Q~{u34}>>"),
    ("terraform", "<<{A14}.atlasv1.{u65}>>"),
    ("json web token", "<<eyJ{u33}.eyJ{u90}.{u43}>>"),
];

/// Those that only what is around them shows.
const IN_CONTEXT: &[(&str, &str)] = &[
    ("password in an environment", "HOME=/root\nDB_PASSWORD=<<{p14}>>\nLANG=C"),
    ("word in an environment", "HOME=/root\nPOSTGRES_PASSWORD=<<{w9}>>\nLANG=C"),
    ("PGPASSWORD", "PGPASSWORD=<<{p12}>> psql -h db"),
    ("exported", "export ADMIN_PASS='<<{p12}>>'"),
    ("docker run -e", "docker run -e MYSQL_ROOT_PASSWORD=<<{p12}>> -d mysql"),
    ("api key in an environment", "A=1\nAPI_KEY=<<{A32}>>\nB=2"),
    ("vendor's key in an environment", "A=1\nOPENAI_KEY=<<{h40}>>\nB=2"),
    ("secret in an environment", "A=1\nSECRET_KEY_BASE=<<{h64}>>\nB=2"),
    ("token in an environment", "A=1\nCI_JOB_TOKEN=<<{u24}>>\nB=2"),
    ("dotenv", "APP_SECRET=\"<<{B44}>>\""),
    ("yaml", "database:\n  user: app\n  password: <<{p12}>>\n  port: 5432"),
    ("yaml, quoted", "password: \"<<{p12}>>\""),
    ("yaml, environment", "environment:\n  POSTGRES_PASSWORD: <<{w9}>>\n"),
    ("yaml, token", "auth:\n  api_token: <<{A32}>>\n"),
    ("kubernetes secret", "kind: Secret\ndata:\n  password: <<{B20}>>\n"),
    ("kubernetes env", "env:\n- name: DB_PASSWORD\n  value: <<{p12}>>\n"),
    ("kube client key", "client-key-data: <<LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQpN{B400}>>"),
    ("kube token", "users:\n- user:\n    token: <<{A40}>>\n"),
    ("json", "{\"user\":\"app\",\"password\":\"<<{p12}>>\"}"),
    ("json, a word", "{\"user\": \"app\", \"password\": \"<<{w9}>>\"}"),
    ("json, api key", "{\"apiKey\":\"<<{A32}>>\",\"region\":\"eu\"}"),
    ("json, client secret", "{\n  \"client_id\": \"x\",\n  \"client_secret\": \"<<{A40}>>\"\n}"),
    ("json, name and value", "[{\"name\":\"DB_PASSWORD\",\"value\":\"<<{p12}>>\"}]"),
    ("aws, json", "{\"SecretAccessKey\": \"<<{B40}>>\", \"SessionToken\": \"<<{B300}>>\"}"),
    ("aws, file", "[default]\naws_secret_access_key = <<{B40}>>\n"),
    ("aws, command", "aws configure set aws_secret_access_key <<{B40}>>"),
    (
        "service account",
        "{\"private_key\": \"<<-----BEGIN PRIVATE KEY-----\\n{B64}\\n{B64}\\n-----END PRIVATE KEY----->>\\n\"}",
    ),
    ("ssh key", "<<-----BEGIN OPENSSH PRIVATE KEY-----\n{B70}\n{B70}\n-----END OPENSSH PRIVATE KEY----->>"),
    (
        "encrypted key",
        "<<-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,{U32}\n\n{B64}\n{B64}\n-----END RSA PRIVATE KEY-----",
    ),
    (
        "azure storage",
        "DefaultEndpointsProtocol=https;AccountName=x;AccountKey=<<{B86}==>>;EndpointSuffix=core.windows.net",
    ),
    ("azure shared access", "https://x.blob.core.windows.net/c/b?sv=2022-11-02&sp=r&sig=<<{A20}%2B{A21}%3D>>&se=2030"),
    ("service bus", "Endpoint=sb://x.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey=<<{B43}=>>"),
    ("connection string", "Server=db;User Id=sa;Password=<<{q12}>>;Encrypt=true"),
    ("libpq", "host=db user=app password=<<{q12}>> dbname=app"),
    ("url with a password", "postgres://app:<<{A16}>>@db:5432/app"),
    ("access token in a url", "GET https://api.example.com/me?access_token=<<{A32}>>&fields=id"),
    ("signature in a url", "https://b.s3.amazonaws.com/k?X-Amz-Expires=60&X-Amz-Signature=<<{h64}>>"),
    ("key in a url", "https://api.example.com/v1?key=<<{A32}>>"),
    ("curl -u", "curl -u admin:<<{q12}>> https://example.com/"),
    ("curl --user", "curl -sS --user 'admin:<<{p12}>>' https://example.com/"),
    ("curl -H", "curl -H 'X-Api-Key: <<{A32}>>' https://example.com/"),
    ("netrc", "machine api.example.com login bob password <<{p12}>>"),
    ("netrc, lines", "machine api.example.com\n  login bob\n  password <<{p12}>>\n"),
    ("npmrc", "//registry.npmjs.org/:_authToken=<<{h8}-{h4}-{h4}-{h4}-{h12}>>"),
    ("npmrc, basic", "_auth=<<{basic}>>"),
    ("docker auth", "{\"auths\":{\"https://index.docker.io/v1/\":{\"auth\":\"<<{basic}>>\"}}}"),
    ("bearer", "Authorization: Bearer <<{u40}>>"),
    ("bearer in code", "headers = {\"Authorization\": \"Bearer <<{u40}>>\"}"),
    ("token scheme", "Authorization: token <<{h40}>>"),
    ("basic", "Authorization: Basic <<{basic}>>"),
    ("bot", "Authorization: Bot <<{A60}>>"),
    ("private-token", "PRIVATE-TOKEN: <<{A26}>>"),
    ("cookie", "Cookie: <<theme=dark; session={A32}>>"),
    ("set-cookie", "Set-Cookie: sid=<<{A32}>>; Path=/; HttpOnly"),
    ("cookie file", ".example.com\tTRUE\t/\tTRUE\t1893456000\tsession\t<<{A32}>>"),
    ("flag", "tool login --password <<{q12}>> --verbose"),
    ("flag with a sign", "tool login --token=<<{A32}>>"),
    ("flag in a list", "[\"tool\", \"login\", \"--password\", \"<<{q12}>>\"]"),
    ("mysql -p", "mysql -u root -p<<{q12}>> app"),
    ("sshpass", "sshpass -p '<<{q12}>>' ssh host"),
    ("python", "API_TOKEN = \"<<{A32}>>\""),
    ("rust", "const API_KEY: &str = \"<<{A32}>>\";"),
    ("javascript", "const config = { clientSecret: '<<{A32}>>' };"),
    ("go", "password := \"<<{q12}>>\""),
    ("properties", "spring.datasource.password=<<{q12}>>"),
    ("ini", "[db]\npassword = <<{q12}>>\n"),
    ("curl -sSu", "curl -sSu admin:<<{A12}>> https://example.com/"),
    ("curl -fsSLu, with a blank", "curl -fsSLu 'admin:<<{A6} {A6}>>' https://example.com/"),
    ("curl -U", "curl -x p -U bob:<<{q12}>> https://example.com/"),
    ("httpie", "http -a bob:<<{q12}>> example.com/x"),
    ("curl -b", "curl -b 'session=<<{A40}>>' https://example.com/"),
    ("curl --cookie", "curl --cookie '<<theme=x; sid={A40}>>' https://example.com/"),
    ("fish", "set -x MY_API_TOKEN <<{A30}>>"),
    ("fish, global", "set -gx DB_PASSWORD <<{w9}>>"),
    ("pgpass", "db.example.com:5432:app:bob:<<{A16}>>\n"),
    ("htpasswd", "bob:<<$apr1${A8}${A22}>>"),
    ("bcrypt", "bob:<<$2y$10${A53}>>"),
    ("shadow", "root:<<$6${A16}${A86}>>:19000:0:99999:7:::"),
    ("yescrypt", "root:<<$y$j9T${A22}${A43}>>:19000:0:99999:7:::"),
    ("htpasswd, sha", "bob:<<{SHA}{B27}=>>"),
    ("kubernetes secret, letters", "kind: Secret\ndata:\n  password: <<{word64}>>\n"),
    ("sshpass, letters", "sshpass -p '<<{w10}>>' ssh host"),
    ("sshpass, attached", "sshpass -p<<{q12}>> ssh host"),
    ("mysql -p, letters", "mysql -u root -p<<{w9}>> app"),
    ("token as a user", "git clone https://<<{h40}>>@github.com/a/b.git"),
    ("token as a user, basic", "https://<<{h40}>>:x-oauth-basic@github.com/a/b.git"),
    ("json, words", "{\"password\":\"<<{w7} {w6} {w7} {d1}>>\"}"),
    ("json, passphrase", "{\"passphrase\": \"<<{w5} {w5} {d1} {w7}>>\"}"),
    ("json, number", "{\"db_password\":<<{n8}>>,\"x\":1}"),
    ("url, percent first", "postgres://app:<<%23{A12}>>@db:5432/app"),
    ("url, dollar first", "postgres://app:<<$Zq8{A10}L2p>>@db:5432/app"),
    ("environment, dollar first", "A=1\nDB_PASSWORD=<<$ecr3t{A10}Q2pL>>\nB=2"),
    ("openssl", "openssl rsa -in key.pem -passin pass:<<{w9}>> -out x"),
    ("putty", "Encryption: none\nPrivate-Lines: 2\n<<{B64}\n{B40}>>\nPrivate-MAC: {h40}\n"),
    ("yaml, folded", "db:\n  password: >-\n    <<{q12}>>\n  port: 5432\n"),
    ("yaml, literal", "db:\n  password: |\n    <<{q12}>>\n  port: 5432\n"),
    ("sudo", "[sudo] password for bob: <<{q12}>>"),
    ("xml", "<server><username>ci</username><password><<{q12}>></password></server>"),
];

fn alphabet(sign: char) -> &'static str {
    const ALL: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/";
    match sign {
        'A' => &ALL[..62],
        'B' => ALL,
        'u' => "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_",
        'a' => "abcdefghijklmnopqrstuvwxyz0123456789",
        'h' => "0123456789abcdef",
        'U' => "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
        'b' => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
        'd' => &ALL[52..62],
        'n' => "123456789",
        'w' => &ALL[..26],
        // what people make up
        'p' => "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ01234567890123456789!@#%^*-_+=.",
        'q' => "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ01234567890123456789!@%^*-_+",
        other => panic!("no alphabet {other}"),
    }
}

/// A made-up secret in what shows it.
struct Example {
    kind: &'static str,
    text: String,
    secrets: Vec<String>,
}

fn example(kind: &'static str, shape: &str, dice: &mut Dice) -> Example {
    let mut text = String::new();
    let mut rest = shape;
    while let Some(at) = rest.find('{') {
        let (before, after) = rest.split_at(at);
        text.push_str(before);
        let Some((inner, after)) = after[1..].split_once('}').filter(|(inner, _)| is_shape(inner)) else {
            text.push('{');
            rest = &after[1..];
            continue;
        };
        if inner == "word64" {
            text.push_str(&base64(random('w', 12, dice).as_bytes()));
        } else if inner == "basic" {
            let pair = format!("user{}:{}", dice.below(100), random('A', 14, dice));
            text.push_str(&base64(pair.as_bytes()));
        } else {
            let sign = inner.chars().next().unwrap_or('A');
            text.push_str(&random(sign, inner[1..].parse().unwrap(), dice));
        }
        rest = after;
    }
    text.push_str(rest);
    let secrets = text.split("<<").skip(1).map(|part| part.split(">>").next().unwrap_or_default().to_owned()).collect();
    Example { kind, text: text.replace("<<", "").replace(">>", ""), secrets }
}

fn is_shape(inner: &str) -> bool {
    inner == "basic" || inner == "word64" || inner.len() > 1 && inner[1..].bytes().all(|byte| byte.is_ascii_digit())
}

fn random(sign: char, length: usize, dice: &mut Dice) -> String {
    let letters = alphabet(sign).as_bytes();
    (0..length).map(|_| char::from(letters[dice.below(letters.len())])).collect()
}

fn base64(bytes: &[u8]) -> String {
    let letters = alphabet('B').as_bytes();
    // The standard alphabet begins with the capital letters.
    let letter = |six: u32| match six {
        0..26 => char::from(b'A' + six as u8),
        26..52 => char::from(b'a' + six as u8 - 26),
        _ => char::from(letters[six as usize]),
    };
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        let count = three.len() + 1;
        out.extend((0..count).map(|at| letter(bits >> (18 - 6 * at) & 63)));
        out.extend(std::iter::repeat_n('=', 4 - count));
    }
    out
}

fn corpus() -> Vec<Example> {
    let mut dice = Dice::seeded(SEED);
    let shapes = PREFIXED.iter().chain(IN_CONTEXT);
    shapes
        .flat_map(|(kind, shape)| (0..EXAMPLES).map(|_| example(kind, shape, &mut dice)).collect::<Vec<_>>())
        .collect()
}

/// One place where an example stands: the name of the place, and what was recorded of the example there.
fn record(journal: &Journal, turn: &str, place: &str, example: &Example, dice: &mut Dice) {
    let text = &example.text;
    let quoted = serde_json::to_string(text).unwrap();
    let result = |json: String| {
        journal.push(ToolCallStarted::new(turn, "c", "x")).unwrap();
        journal.push(ToolCallEnded::new(turn, "c").result(Json::parse(&json).unwrap())).unwrap();
    };
    match place {
        "text" => journal.push(TurnStarted::new(turn, format!("Look:\n{text}\nand go on"))).map(drop).unwrap(),
        "json" => result(format!("{{\"code\":0,\"stdout\":{quoted}}}")),
        "nested json" => {
            let inner = format!("{{\"output\":{quoted},\"ok\":true}}");
            result(format!(
                "{{\"content\":[{{\"type\":\"text\",\"text\":{}}}]}}",
                serde_json::to_string(&inner).unwrap()
            ));
        }
        "itself" => result(text.clone()),
        "url" => result(format!("\"GET https://example.com/hook?x={text}&y=1\"")),
        "environment" => result(serde_json::to_string(&format!("HOME=/root\nTHING={text}\nLANG=C\n")).unwrap()),
        "stream" => {
            for piece in pieces(&format!("so: {text}\nand on"), dice) {
                journal.push(TextDelta::new(turn, piece)).unwrap();
            }
        }
        other => panic!("no place {other}"),
    }
}

fn pieces(text: &str, dice: &mut Dice) -> Vec<String> {
    let mut rest = text;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.len().min(1 + dice.below(12)));
        pieces.push(piece.to_owned());
        rest = after;
    }
    pieces
}

/// What `export --redact` leaves of each turn: all its texts, one after the other.
fn exported(lab: &Lab) -> BTreeMap<String, String> {
    let mut out = Vec::new();
    let options = ExportOptions::default().redact(true);
    lab.store.reader(crate::support::ID).unwrap().export(Format::named("jsonl").unwrap(), &options, &mut out).unwrap();
    let mut turns: BTreeMap<String, String> = BTreeMap::new();
    for line in String::from_utf8(out).unwrap().lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let data = &event["data"];
        let turn = turns.entry(data["turn_id"].as_str().unwrap_or_default().to_owned()).or_default();
        match data["text"].as_str() {
            Some(piece) => turn.push_str(piece),
            None => turn.push_str(line),
        }
    }
    turns
}

/// No part of a secret that is so long is left. Shorter ones, such as `github_pat`, also name a kind.
const REST: usize = 12;

/// Whether nothing is left of the secrets, nor of a line of one that has several, nor of a part of it.
fn is_gone(example: &Example, left: &str) -> bool {
    let lines = example.secrets.iter().flat_map(|secret| secret.split("\\n").flat_map(str::lines));
    let parts = lines.filter(|line| line.len() > 4);
    parts.flat_map(|line| line.as_bytes().windows(REST.min(line.len()))).all(|part| !contains(left, part))
}

fn contains(text: &str, part: &[u8]) -> bool {
    text.as_bytes().windows(part.len()).any(|window| window == part)
}

#[test]
fn secrets_of_every_kind_are_found_wherever_they_stand() {
    let (lab, mut dice) = (Lab::new(), Dice::seeded(SEED + 1));
    let journal = lab.open();
    let corpus = corpus();
    let mut turns = Vec::new();
    for (number, example) in corpus.iter().enumerate() {
        let mut places = vec!["text", "json", "nested json", "stream"];
        if PREFIXED.iter().any(|(kind, _)| *kind == example.kind) {
            places.extend(["url", "environment"]);
        }
        if serde_json::from_str::<Value>(&example.text).is_ok() {
            places.push("itself");
        }
        for place in places {
            let turn = format!("{number} {place}");
            record(&journal, &turn, place, example, &mut dice);
            turns.push((turn, example));
        }
    }
    journal.close().wait().unwrap();
    let left = exported(&lab);
    let missed: Vec<String> = turns
        .iter()
        .filter(|(turn, example)| !is_gone(example, &left[turn]))
        .map(|(turn, example)| format!("{} ({turn}): {}", example.kind, example.text))
        .collect();
    assert!(turns.len() > 4_000, "the corpus has {} places", turns.len());
    assert!(missed.len() * 20 <= turns.len(), "{} of {} missed:\n{}", missed.len(), turns.len(), missed.join("\n"));
    for (kind, _) in PREFIXED.iter().chain(IN_CONTEXT) {
        let of_kind = turns.iter().filter(|(_, example)| example.kind == *kind).count();
        let missed: Vec<&String> = missed.iter().filter(|line| line.starts_with(&format!("{kind} ("))).collect();
        assert!(missed.len() * 5 <= of_kind, "{kind}: {} of {of_kind} missed:\n{missed:#?}", missed.len());
    }
}

/// Input that is no UTF-8 is kept in base64, and UTF-16 that is UTF-8 by chance with its zeros.
#[test]
fn secrets_in_input_that_is_not_utf8_are_found() {
    use ::base64::{Engine, engine::general_purpose::STANDARD};
    let secret = random('A', 14, &mut Dice::seeded(SEED));
    let text = format!("caf\u{e9} DB_PASSWORD={secret}\n");
    let latin: Vec<u8> = text.chars().map(|letter| letter as u8).collect();
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let plain_wide = format!("DB_PASSWORD={secret}").encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let lab = Lab::new();
    let journal = lab.open();
    for bytes in [&latin, &wide] {
        journal.push(foldlog::Unparsed::new("no UTF-8").text_base64(STANDARD.encode(bytes))).unwrap();
    }
    journal.push(foldlog::Unparsed::new("no JSON").text(String::from_utf8(plain_wide).unwrap())).unwrap();
    journal.close().wait().unwrap();
    let mut out = Vec::new();
    let options = ExportOptions::default().redact(true);
    let reader = lab.store.reader(crate::support::ID).unwrap();
    let found = reader.export(Format::named("jsonl").unwrap(), &options, &mut out).unwrap().redacted;
    assert_eq!(found.values().sum::<u64>(), 3, "{found:?}");
    let mut kept = 0;
    for line in String::from_utf8(out).unwrap().lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let data = &event["data"];
        let bytes = match (data["text_base64"].as_str(), data["text"].as_str()) {
            (Some(text), _) => STANDARD.decode(text).unwrap(),
            (None, Some(text)) => text.as_bytes().to_vec(),
            _ => continue,
        };
        let left: String = bytes.iter().filter(|byte| **byte != 0).map(|byte| char::from(*byte)).collect();
        assert!(left.contains("DB_PASSWORD=[REDACTED:password]") && !left.contains(&secret), "{left}");
        kept += 1;
    }
    assert_eq!(kept, 3);
}

#[test]
fn a_stream_may_be_cut_at_any_byte() {
    let lab = Lab::new();
    let journal = lab.open();
    let corpus = corpus();
    let mut turns = Vec::new();
    for example in corpus.iter().step_by(EXAMPLES) {
        let text = format!("so {}\nand on", example.text);
        for at in 0..text.len().min(160) {
            let turn = format!("{} {at}", example.kind);
            journal.push(TextDelta::new(turn.as_str(), &text[..at])).unwrap();
            journal.push(TextDelta::new(turn.as_str(), &text[at..])).unwrap();
            turns.push((turn, example));
        }
    }
    journal.close().wait().unwrap();
    let left = exported(&lab);
    let is_found_whole = |example: &Example| is_gone(example, &left[&format!("{} 0", example.kind)]);
    let of_found: Vec<_> = turns.iter().filter(|(_, example)| is_found_whole(example)).collect();
    assert!(of_found.len() * 20 >= turns.len() * 19, "{} of {}", of_found.len(), turns.len());
    let missed: Vec<_> = of_found.iter().filter(|(turn, example)| !is_gone(example, &left[turn])).collect();
    assert!(missed.is_empty(), "{} of {}: {:#?}", missed.len(), turns.len(), missed.first().map(|(turn, _)| turn));
    // A piece alone may look like more of a secret than there is. That much, and no more, differs from the whole.
    let differ: Vec<_> = of_found
        .iter()
        .map(|(turn, example)| (turn, &left[turn], &left[&format!("{} 0", example.kind)]))
        .filter(|(_, cut, whole)| cut != whole)
        .collect();
    assert!(differ.len() * 1_000 <= turns.len(), "{} of {}: {differ:#?}", differ.len(), turns.len());
    let is_nested =
        |text: &&String| text.match_indices("[REDACTED:").any(|(at, mark)| text[at + mark.len()..].starts_with('['));
    assert_eq!(left.values().find(is_nested), None);
}

/// Goal: a long stream is looked at a part at a time, and a secret may stand where one part ends. Method: one in two pieces,
/// of which the first ends what is looked at first, or the part of that which is settled.
#[test]
fn a_secret_may_stand_anywhere_in_a_long_stream() {
    const FILLER: &str = "and so on. ";
    const GATHERED: usize = 65 << 10;
    const HELD_BACK: usize = 16 << 10;
    let (lab, mut dice) = (Lab::new(), Dice::seeded(SEED + 2));
    let journal = lab.open();
    let filler = |length: usize| FILLER.repeat(length / FILLER.len() + 1)[..length].to_owned();
    let mut turns = Vec::new();
    let corpus = corpus();
    for example in corpus.iter().step_by(EXAMPLES) {
        let text = format!("\n{}\n", example.text);
        let at = 1 + dice.below(text.len() - 1);
        let whole = format!("{} whole", example.kind);
        journal.push(TextDelta::new(whole.as_str(), text.as_str())).unwrap();
        for behind in [0, HELD_BACK] {
            let turn = format!("{} {behind} {at}", example.kind);
            let stream = [filler(GATHERED - at - behind), text.clone(), filler(HELD_BACK)].concat();
            let (gathered, rest) = stream.split_at(GATHERED);
            let (settled, held_back) = gathered.split_at(GATHERED - behind);
            for piece in [settled, held_back, rest] {
                journal.push(TextDelta::new(turn.as_str(), piece)).unwrap();
            }
            turns.push((turn, whole.clone(), example));
        }
        journal.flush().unwrap().wait().unwrap(); // what waits to be written has a limit
    }
    journal.close().wait().unwrap();
    let left = exported(&lab);
    let is_found = |(_, whole, example): &&(String, String, &Example)| is_gone(example, &left[whole]);
    assert!(turns.iter().filter(is_found).count() * 20 >= turns.len() * 19);
    let is_left = |(turn, _, example): &&(String, String, &Example)| !is_gone(example, &left[turn].replace(FILLER, ""));
    let missed: Vec<_> = turns.iter().filter(is_found).filter(is_left).map(|(turn, ..)| turn).collect();
    assert!(missed.is_empty(), "{} of {}: {missed:#?}", missed.len(), turns.len());
}

#[test]
fn our_own_code_holds_no_secrets() {
    let lab = Lab::new();
    let journal = lab.open();
    let mut bytes = 0;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut directories = vec![root.join("src"), root.join("tests"), root.join("benches"), root.join("docs")];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            // The tests of redaction hold what looks like secrets.
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            let Some(text) = std::fs::read_to_string(&path).ok().filter(|_| !name.contains("redact")) else { continue };
            bytes += text.len();
            journal.push(TurnStarted::new(name, text)).unwrap();
        }
    }
    journal.close().wait().unwrap();
    let options = ExportOptions::default().redact(true);
    let reader = lab.store.reader(crate::support::ID).unwrap();
    let found = reader.export(Format::named("jsonl").unwrap(), &options, &mut std::io::sink()).unwrap().redacted;
    let count: u64 = found.values().sum();
    assert!(bytes > 1_500_000, "{bytes}");
    assert!(
        count * 1_000_000 <= bytes as u64,
        "{found:?} in {bytes} bytes: {:#?}",
        exported(&lab).iter().filter(|(_, text)| text.contains("[REDACTED:")).map(|(name, _)| name).collect::<Vec<_>>()
    );
}
