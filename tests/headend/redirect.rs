//! Redirection (RFC 5685): two headends, and gateways that lead nowhere.

use std::{fs, net::IpAddr};

use ironflex_xfrm::IpPrefix;
use nix::sys::signal::Signal;

use crate::support::{
    cases::Case,
    lab::{ClientHost, HEADEND, Lab, USER, connected, ip},
    misleader::Misleader,
    pki::PASSWORD,
    process::Process,
    traffic::{Echo, ask},
};

pub(crate) const CASES: &[Case] = &[
    (
        "redirect::a_client_is_sent_to_another_headend_at_its_first_request",
        a_client_is_sent_to_another_headend_at_its_first_request,
    ),
    (
        "redirect::a_client_is_sent_to_another_headend_once_it_is_authenticated",
        a_client_is_sent_to_another_headend_once_it_is_authenticated,
    ),
    (
        "redirect::a_way_that_leads_nowhere_is_not_followed",
        a_way_that_leads_nowhere_is_not_followed,
    ),
];

/// `interface loopback100` of the second headend.
const SECOND_LOOPBACK: &str = "10.200.0.1";

/// The lab with a second headend, which a client can reach and which has the first one's certificate.
struct Scene {
    lab: Lab,
    client: ClientHost,
    second: ClientHost,
    _headend: Process,
}

impl Scene {
    fn new() -> Self {
        let lab = Lab::new();
        let (client, second) = (lab.client(), lab.client());
        client
            .host
            .route(IpPrefix::host(second.outer), client.router);
        second
            .host
            .route(IpPrefix::host(client.outer), second.router);
        let text = fs::read_to_string(lab.config()).unwrap();
        let identity = format!(" identity local address {HEADEND}\n authentication local rsa-sig");
        let text = text
            .replace("192.168.10.5 192.168.10.10", "192.168.20.5 192.168.20.10")
            .replace(
                "ip address 10.0.0.1 255.255.255.255",
                &format!("ip address {SECOND_LOOPBACK} 255.255.255.255"),
            )
            .replace(" authentication local rsa-sig", &identity);
        let config = lab.path("boot/second.conf");
        fs::write(&config, text).unwrap();
        let headend = lab.launch_in(&second.host, &config, "state-second", &[]);
        headend.line(" ready");
        Self {
            lab,
            client,
            second,
            _headend: headend,
        }
    }

    fn connect(&self, arguments: &[&str]) -> Process {
        let login = [USER, PASSWORD];
        self.lab
            .connect_to(&HEADEND.to_string(), &self.client, login, arguments)
    }

    /// Demands that a client is connected to the second headend, which serves it.
    fn is_served_by_the_second(&self, client: &Process) {
        let tunnel = connected(client);
        assert_eq!(tunnel.address, ip("192.168.20.5"));
        let echo = Echo::udp(&self.second.host.namespace, ip(SECOND_LOOPBACK));
        ask(&self.client.host.namespace, tunnel.address, echo.address);
        assert_eq!(echo.asker(), tunnel.address);
    }
}

fn leads(line: &str, from: IpAddr, to: IpAddr) {
    let expected = format!(r#""from":"{from}","to":"{to}""#);
    assert!(line.contains(&expected), "{line}");
}

fn redirects(at: &str, profile: &str, global: &str) {
    let scene = Scene::new();
    let lab = &scene.lab;
    let lines = format!(
        "no crypto ikev2 http-url cert\ncrypto ikev2 redirect target {}{global}",
        scene.second.outer
    );
    lab.edit("no crypto ikev2 http-url cert", &lines);
    lab.edit(
        " anyconnect profile acvpn\n",
        &format!("{profile} anyconnect profile acvpn\n"),
    );
    let headend = lab.start();

    // Who does not follow is served where it is.
    let mut stays = scene.connect(&["--max-redirects", "0"]);
    assert_eq!(connected(&stays).address, ip("192.168.10.5"));
    assert_eq!(stays.end_by(Signal::SIGINT), Some(0));

    let client = scene.connect(&[]);
    leads(
        &client.line(r#"{"event":"redirected""#),
        HEADEND,
        scene.second.outer,
    );
    scene.is_served_by_the_second(&client);
    let first = lab.metrics("state");
    let counted = format!("ironflex_ike_redirects_total{{at=\"{at}\"}}");
    assert_eq!(first.of(&counted), Some(1));
    assert_eq!(first.of("ironflex_sessions"), Some(0));
    let second = lab.metrics("state-second");
    let told = "ironflex_ike_notifies_total{type=\"REDIRECTED_FROM\",way=\"request_received\"}";
    assert_eq!(second.of(told), Some(1));
    assert_eq!(second.of("ironflex_sessions"), Some(1));
    if at == "auth" {
        headend.line(&format!("redirected to {}", scene.second.outer));
    }
}

fn a_client_is_sent_to_another_headend_at_its_first_request() {
    redirects("init", "", "\ncrypto ikev2 redirect gateway init");
}

fn a_client_is_sent_to_another_headend_once_it_is_authenticated() {
    redirects("auth", " redirect gateway auth\n", "");
}

fn a_way_that_leads_nowhere_is_not_followed() {
    let scene = Scene::new();
    let namespace = &scene.lab.headend.namespace;
    let (between, second) = (scene.client.router, scene.second.outer);
    let gateway = |at, to| Misleader::new(namespace, at, to);
    let refused = |arguments: &[&str], why: &str| {
        let mut client = scene.connect(arguments);
        client.ends_with(5);
        client.line(why);
    };
    {
        let _first = gateway(HEADEND, HEADEND);
        refused(&[], "no tunnel: 192.0.2.1 redirects to itself");
    }
    let _first = gateway(HEADEND, between);
    {
        let _second = gateway(between, HEADEND);
        refused(&[], "no tunnel: redirected in a circle, back to 192.0.2.1");
    }
    let _second = gateway(between, second);
    refused(
        &["--max-redirects", "1"],
        "no tunnel: redirected more than 1 times",
    );
    // The same way leads to a tunnel if it is followed to its end.
    let client = scene.connect(&["--max-redirects", "2"]);
    scene.is_served_by_the_second(&client);
}
