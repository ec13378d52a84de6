// SPDX-License-Identifier: Apache-2.0
internal import Model

/// Variables whose value must not be shown.
package enum SecretVariables {
  /// Whether the value of the variable `name` is a secret or may hold one: API keys, passwords,
  /// secret keys, tokens, license, and the connection strings and URLs that carry a password.
  ///
  /// A name counts by the words in it, in any case, so that the name of a target behind it
  /// (`MINIO_NOTIFY_MYSQL_DSN_STRING_primary`) and most slips (`MINIO_KMS_APIKEY`) change nothing.
  package static func contains(_ name: String) -> Bool { contains(Array(name.utf8)[...]) }

  /// The same for bytes, in time linear in their number.
  package static func contains(_ name: ArraySlice<UInt8>) -> Bool {
    let hasWord = name.indices.dropLast().contains { start in
      let initial = Int(name[start] & 0x1F)
      // Hardly any two bytes are those with which a word begins.
      if seconds[initial] >> UInt32(name[start + 1] & 0x1F) & 1 == 0 { return false }
      return wordsByInitial[initial].contains { word in
        name.endIndex - start >= word.count
          && zip(name[start...], word).allSatisfy { $0.capital == $1 }
      }
    }
    return hasWord && !paths.contains(String(decoding: name, as: UTF8.self).uppercased())
  }

  /// Names with one of the words whose value is the name of a key or the path of a file.
  private static let paths: Set<String> = [
    "MINIO_KMS_SSE_KEY", "MINIO_KMS_KES_KEY_NAME", "MINIO_KMS_KES_KEY_FILE",
    "MINIO_KMS_SECRET_KEY_FILE", "MINIO_ROOT_PASSWORD_FILE", "MINIO_ACCESS_KEY_FILE",
    "MINIO_SECRET_KEY_FILE",
  ]

  private static let words = [
    "API_KEY", "APIKEY", "ACCESS_KEY", "ACCESSKEY", "SECRET", "PRIVATE_KEY", "MASTER_KEY", "PASS",
    "PWD", "TOKEN", "LICENSE", "LICENCE", "CREDENTIAL", "NKEY", "SEED",
    "CONNECTION_STRING", "DSN", "AMQP_URL", "ELASTICSEARCH_URL", "SUBNET_PROXY",
  ].map { Array($0.utf8) }

  /// For each first letter of a word the second ones, a bit for each; a letter is told by five
  /// bits.
  private static let seconds = wordsByInitial.map { words in
    words.reduce(into: UInt32(0)) { $0 |= 1 << UInt32($1[1] & 0x1F) }
  }

  /// ``words`` by the five bits that tell a letter.
  private static let wordsByInitial: [[[UInt8]]] = (0..<32).map { letter in
    words.filter { $0.first.map { $0 & 0x1F } == letter }
  }
}
