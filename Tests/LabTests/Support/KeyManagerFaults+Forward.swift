// SPDX-License-Identifier: Apache-2.0
import TestSupport

private let kms1 = "https://kms-1.example.net:7373"
private let kms2 = "https://kms-2.example.net:7373"
private let both = ["kms-1", "kms-2"]

extension KeyManagerFault {
  /// From the nodes to the Key Managers.
  static let forward: [KeyManagerFault] =
    names + connections + certificates + states + answers + firstStarts + proxies

  /// A fault of both Key Managers' stand-ins, or of one.
  private static func misbehaving(
    _ name: String, _ json: String, at hosts: [String] = both, _ outcome: Outcome,
    settings: [String: String] = [:], arguments: [String] = []
  ) -> KeyManagerFault {
    KeyManagerFault(
      name: name, settings: settings, arguments: arguments,
      arrange: { lab in for host in hosts { try lab.setFaults(host, json) } }, outcome: outcome)
  }

  // MARK: names

  private static let names: [KeyManagerFault] = [
    KeyManagerFault(
      name: "no Key Manager has an address",
      settings: [
        "MINIO_KMS_SERVER": "https://kms-8.example.net:7373,https://kms-9.example.net:7373"
      ],
      outcome: .refused(["minio-", "https://kms-8.example.net:7373", "name resolution"])),
    KeyManagerFault(
      name: "one of two has no address",
      settings: ["MINIO_KMS_SERVER": "\(kms1),https://kms-9.example.net:7373"],
      outcome: .allowed([
        "https://kms-9.example.net:7373", "name resolution", "the server starts with the others",
      ]), never: ["kms-1.example.net:7373:"]),
    KeyManagerFault(
      name: "one of the pattern's is down",
      settings: ["MINIO_KMS_SERVER": "https://kms-{1...2}.example.net:7373"],
      arrange: { try $0.exec("kms-2", "systemctl stop minkms") },
      outcome: .allowed([kms2, "TCP connection", "refused"]), never: ["\(kms1):"]),
    KeyManagerFault(
      name: "a wrong address among three of one name",
      settings: ["MINIO_KMS_SERVER": "https://kms-lb.example.net:7373"],
      arrange: { lab in
        for host in both {
          try lab.replaceCertificate(
            of: host, names: ["\(host).example.net", "kms-lb.example.net"])
        }
        try lab.addNames(
          """
          10.77.1.11 kms-lb.example.net
          10.77.0.12 kms-lb.example.net
          10.77.1.12 kms-lb.example.net
          """)
      },
      outcome: .allowed([
        "https://kms-lb.example.net:7373", "TCP connection", "10.77.0.12:7373", "refused",
      ])),
    KeyManagerFault(
      name: "an address of one name that is another host",
      settings: ["MINIO_KMS_SERVER": "https://kms-lb.example.net:7373"],
      arrange: { lab in
        try lab.replaceCertificate(of: "kms-1", names: ["kms-lb.example.net"])
        try lab.addNames("10.77.1.11 kms-lb.example.net\n10.77.1.12 kms-lb.example.net")
      },
      outcome: .refused(["https://kms-lb.example.net:7373", "TLS", "10.77.1.12:7373"])),
    KeyManagerFault(
      name: "an IPv6 address that leads nowhere beside the IPv4 one",
      settings: ["MINIO_KMS_SERVER": kms1],
      arrange: { try $0.addNames("fd77::11 kms-1.example.net") },
      outcome: .allowed([kms1, "TCP connection", "[fd77::11]:7373"])),
    KeyManagerFault(
      name: "two names that lead to one Key Manager",
      settings: ["MINIO_KMS_SERVER": "\(kms1),https://kms-1:7373"],
      outcome: .allowed(["are answered by the same Key Manager, kms-1"])),
    KeyManagerFault(
      name: "the nodes reach different Key Managers under one name",
      settings: ["MINIO_KMS_SERVER": kms1],
      arrange: { lab in
        try lab.replaceCertificate(of: "kms-2", names: ["kms-1.example.net", "kms-2.example.net"])
        try lab.editState(of: "kms-2", "s/1705306368/1805306368/")
        try lab.addNames("10.77.1.12 kms-1.example.net", to: ["minio-2"])
        // A resolver gives all addresses of a name.
        try lab.exec("minio-2", "sed -i '/10.77.1.11/d' /etc/hosts")
      },
      outcome: .refused([
        "minio-1", "minio-2", "were not told the same", "2024-01-15T08:12:48Z",
      ])),
  ]

  // MARK: connections

  private static let connections: [KeyManagerFault] = [
    KeyManagerFault(
      name: "a closed port at both",
      settings: [
        "MINIO_KMS_SERVER": "https://kms-1.example.net:7374,https://kms-2.example.net:7374"
      ],
      outcome: .refused(["https://kms-1.example.net:7374", "TCP connection", "refused"])),
    KeyManagerFault(
      name: "a closed port at one of two",
      settings: ["MINIO_KMS_SERVER": "\(kms1),https://kms-2.example.net:7374"],
      outcome: .allowed(["https://kms-2.example.net:7374", "TCP connection", "refused"])),
    KeyManagerFault(
      name: "no port, so the server dials 443",
      settings: ["MINIO_KMS_SERVER": "https://kms-1.example.net"],
      outcome: .refused(["https://kms-1.example.net:", "TCP connection", "443", "7373"])),
    KeyManagerFault(
      name: "a black hole at both",
      arrange: { lab in for host in both { try lab.blackHole(host) } },
      outcome: .refused([kms1, "TCP connection", "timed out"])),
    KeyManagerFault(
      name: "a black hole at one of two", arrange: { try $0.blackHole("kms-2") },
      outcome: .allowed([kms2, "TCP connection", "timed out"]), never: ["\(kms1):"]),
    misbehaving(
      "both accept and say nothing", #"{"silent": true}"#,
      .refused([kms1, "TLS failed", "timed out"])),
    misbehaving(
      "plain HTTP on the port", #"{"plainHTTP": true}"#,
      .refused([kms1, "TLS failed", "without TLS"])),
    misbehaving(
      "TLS 1.1 only", #"{"outdatedTLS": true}"#,
      .refused([kms1, "TLS failed", "no common version"])),
  ]

  // MARK: certificates

  private static func certificate(
    _ name: String, names: [String] = ["kms-1.example.net"], from: String = "1 day ago",
    until: String = "30 days", isKnown: Bool = true, _ outcome: Outcome
  ) -> KeyManagerFault {
    KeyManagerFault(
      name: name, settings: ["MINIO_KMS_SERVER": kms1],
      arrange: { lab in
        try lab.replaceCertificate(
          of: "kms-1", names: names, from: from, until: until, isKnown: isKnown)
      }, outcome: outcome)
  }

  private static let certificates: [KeyManagerFault] = [
    certificate(
      "an expired certificate",
      from: "10 days ago", until: "80 hours ago",
      .refused([kms1, "TLS failed", "expired 3 days ago"])),
    certificate(
      "a certificate that is not yet valid",
      from: "50 hours", until: "20 days", .refused([kms1, "TLS failed", "valid only in 2 days"])),
    certificate(
      "a certificate that expires in 4 days", until: "100 hours",
      .allowed([kms1, "TLS", "valid for 4 days"])),
    certificate(
      "a certificate for another name", names: ["kms-7.example.net"],
      .refused([kms1, "TLS failed", "ostname mismatch"])),
    certificate(
      "a certificate of an unknown authority", isKnown: false, .refused([kms1, "TLS failed"])),
    KeyManagerFault(
      name: "a CA file that the server's user cannot read",
      arrange: { lab in
        try lab.dropCapabilities()
        try lab.exec("minio-2", "chmod 600 /etc/minio/certs/CAs/kms-ca.pem")
      },
      outcome: .refused([
        "minio-2", kms1, "TLS failed", "the server cannot read /etc/minio/certs/CAs/kms-ca.pem",
      ])),
    KeyManagerFault(
      name: "a CA file that its user cannot read, and the server by its capability can",
      arrange: { try $0.onEachNode("chmod 600 /etc/minio/certs/CAs/kms-ca.pem") },
      outcome: .allowed([]), never: ["cannot read"]),
    KeyManagerFault(
      name: "a CA folder that the server's user cannot read",
      arrange: { lab in
        try lab.dropCapabilities()
        try lab.onEachNode("chmod 700 /etc/minio/certs/CAs")
      },
      outcome: .refused([kms1, "TLS failed", "the server cannot read /etc/minio/certs/CAs:"])),
  ]

  // MARK: what is in the Key Managers

  private static let states: [KeyManagerFault] = [
    KeyManagerFault(
      name: "an enclave that does not exist", settings: ["MINIO_KMS_ENCLAVE": "another-store"],
      outcome: .refused([kms1, "enclave \"another-store\" does not exist"])),
    KeyManagerFault(
      name: "an identity that no Key Manager knows",
      settings: ["MINIO_KMS_API_KEY": "k1:b_6Dhm4iqaGR1gd_CkAA_otcPtgaqS2Xixb_G95TJV8"],
      outcome: .refused([kms1, "does not admit identity", "h1:xkDu-osB2iIgtaasijYuHUmu9_p4"])),
    misbehaving(
      "KEY:GENERATE denied by policy", #"{"deny": ["KEY:GENERATE"]}"#,
      .refused([kms1, "does not admit identity", "KEY:GENERATE", "403"])),
    misbehaving(
      "KEY:GENERATE denied by one of two", #"{"deny": ["KEY:GENERATE"]}"#, at: ["kms-2"],
      .refused([kms2, "does not admit identity", "403"])),
    misbehaving(
      "a policy with KEY:GENERATE only", #"{"deny": ["KEY:STATUS", "IDENTITY:STATUS"]}"#,
      .allowed([])),
    KeyManagerFault(
      name: "a key that one Key Manager lacks",
      arrange: {
        try $0.editState(of: "kms-2", "s/\"object-store-primary-default-key\"/\"other\"/")
      },
      outcome: .refused(["exists at \(kms1), but not at \(kms2)"])),
    KeyManagerFault(
      name: "a key of the same name that is another",
      arrange: { try $0.editState(of: "kms-2", "s/1705306368/1805306368/") },
      outcome: .refused(["is not the same everywhere", "created 2024-01-15T08:12:48Z", kms2])),
    misbehaving(
      "Key Managers of different releases", #"{"release": "2025-01-01T00-00-00Z"}"#, at: ["kms-2"],
      .refused(["different releases", "2025-01-01T00-00-00Z at \(kms2)"])),
    misbehaving(
      "Key Managers that are not ready", #"{"notReady": true}"#,
      .refused([kms1, "GET /v1/health/ready failed", "503 no leader"])),
    misbehaving(
      "one that is not alive", #"{"notAlive": true}"#, at: ["kms-2"],
      .allowed([kms2, "GET /v1/health/live failed", "503"])),
  ]

  // MARK: answers

  private static let answers: [KeyManagerFault] = [
    misbehaving(
      "answers too slow for the deadline", #"{"slowMilliseconds": 2000}"#,
      .refused([kms1, "timed out"])),
    misbehaving(
      "answers slow, but in time", #"{"slowMilliseconds": 100}"#, .allowed([])),
    misbehaving(
      "truncated frames", #"{"framing": "truncated"}"#,
      .refused([kms1, "failed", "the answer ends too early"])),
    misbehaving(
      "oversized frames", #"{"framing": "oversized"}"#, .refused([kms1, "failed"])),
    misbehaving(
      "bytes behind the frame", #"{"framing": "trailing"}"#, .refused([kms1, "failed"])),
    misbehaving(
      "answers without a Content-Length", #"{"framing": "unframed"}"#,
      .refused([kms1, "no Content-Length"])),
    misbehaving(
      "answers in chunks", #"{"framing": "chunked"}"#, .refused([kms1, "no Content-Length"])),
    misbehaving(
      "a Content-Type that is none of the protocol's", #"{"contentType": "text/html"}"#,
      .refused([kms1, "GET /version failed"])),
    misbehaving(
      "KEY:GENERATE that fails inside",
      #"{"answers": {"KEY:GENERATE": {"status": 500, "text": "disk"}}}"#,
      .refused([kms1, "the SSE key failed", "KEY:GENERATE: answered 500 disk"])),
    misbehaving(
      "errors in JSON", #"{"errors": "json", "deny": ["KEY:GENERATE"]}"#,
      .refused([kms1, "does not admit identity", "access denied: insufficient permissions"])),
    misbehaving(
      "something else than a Key Manager", #"{"contentType": "application/json"}"#,
      .refused([kms1, "GET /version failed", "not a Key Manager's version"])),
  ]

  // MARK: keys to create

  private static let newKey = ["MINIO_KMS_SSE_KEY": "a-new-key"]

  private static let firstStarts: [KeyManagerFault] = [
    KeyManagerFault(
      name: "a key that does not exist", settings: newKey,
      outcome: .refused(["key \"a-new-key\" does not exist", "--create-key"])),
    KeyManagerFault(
      name: "a key to create, every Key Manager ready", settings: newKey,
      arguments: ["--create-key"],
      outcome: .allowed(["key \"a-new-key\" does not exist", "the server will create it"])),
    KeyManagerFault(
      name: "a key to create, one Key Manager down", settings: newKey, arguments: ["--create-key"],
      arrange: { try $0.exec("kms-2", "systemctl stop minkms") },
      outcome: .refused([kms2, "TCP connection failed", "refused"])),
    misbehaving(
      "a key to create, one Key Manager read-only", #"{"readOnly": true}"#, at: ["kms-2"],
      .refused(["is not ready for writes", "kms-2.example.net:7373 is not ready for writes"]),
      settings: newKey, arguments: ["--create-key"]),
    misbehaving(
      "a key to create, its error in a form that the server does not know",
      #"{"errors": "json", "contentType": "application/json; charset=utf-8"}"#,
      .refused([kms1, "failed"]), settings: newKey, arguments: ["--create-key"]),
  ]

  // MARK: proxies

  private static let proxies: [KeyManagerFault] = [
    KeyManagerFault(
      name: "a proxy in the environment that is not there",
      arrange: { lab in
        try lab.editServer("echo 'HTTPS_PROXY=http://kms-1.example.net:3128' >>/etc/default/minio")
      },
      outcome: .refused([
        "\(kms1) through the proxy kms-1.example.net:3128", "TCP connection failed", "refused",
      ])),
    KeyManagerFault(
      name: "a proxy in the environment that is none",
      arrange: { lab in
        try lab.editServer("echo 'https_proxy=minio-1.example.net:9000' >>/etc/default/minio")
      },
      outcome: .refused(["through the proxy minio-1.example.net:9000", "CONNECT"])),
    KeyManagerFault(
      name: "a proxy in the environment, and NO_PROXY",
      arrange: { lab in
        try lab.editServer(
          """
          printf 'HTTPS_PROXY=http://kms-1.example.net:3128\\nNO_PROXY=.example.net\\n' \
            >>/etc/default/minio
          """)
      }, outcome: .allowed([]), never: ["proxy", "TCP connection"]),
    KeyManagerFault(
      name: "a proxy that is spoken with otherwise than by HTTP",
      arrange: { lab in
        try lab.editServer(
          "echo 'HTTPS_PROXY=socks5://kms-1.example.net:1080' >>/etc/default/minio")
      },
      outcome: .refused(["the server goes through socks5://kms-1.example.net:1080"])),
  ]
}
