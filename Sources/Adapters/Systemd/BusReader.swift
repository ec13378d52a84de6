// SPDX-License-Identifier: Apache-2.0
internal import CSystemd
internal import Glibc

/// Reads a bus message field by field, in the order of its signature.
///
/// It borrows the message: it must not outlive the callback that it was made in, nor leave the bus
/// thread.
struct BusReader {
  private let message: OpaquePointer
  private let attempt: String

  init(_ message: OpaquePointer, attempt: String) {
    self.message = message
    self.attempt = attempt
  }

  func string() throws(BusFailure) -> String { try text(type: "s") }
  func objectPath() throws(BusFailure) -> String { try text(type: "o") }
  func int32() throws(BusFailure) -> Int32 { try number("i", Int32(0)) }
  func uint32() throws(BusFailure) -> UInt32 { try number("u", UInt32(0)) }
  func uint64() throws(BusFailure) -> UInt64 { try number("t", UInt64(0)) }
  // sd-bus reads a boolean into an int.
  func bool() throws(BusFailure) -> Bool { try number("b", Int32(0)) != 0 }
  func strings() throws(BusFailure) -> [String] {
    try array("s") { () throws(BusFailure) in try string() }
  }

  func bytes() throws(BusFailure) -> [UInt8] {
    var base: UnsafeRawPointer?
    var count = 0
    try check(sd_bus_message_read_array(message, CChar(ascii: "y"), &base, &count))
    guard let base else { return [] }
    return [UInt8](UnsafeRawBufferPointer(start: base, count: count))
  }

  /// An array whose elements have the signature `contents`.
  func array<Element>(
    _ contents: String, _ element: () throws(BusFailure) -> Element
  ) throws(BusFailure) -> [Element] {
    var elements: [Element] = []
    try check(sd_bus_message_enter_container(message, CChar(ascii: "a"), contents))
    while try !atEnd() { elements.append(try element()) }
    try check(sd_bus_message_exit_container(message))
    return elements
  }

  /// A structure with the fields `contents`.
  func structure<Value>(
    _ contents: String, _ fields: () throws(BusFailure) -> Value
  ) throws(BusFailure) -> Value { try container("r", contents, fields) }

  /// A variant that holds the type `contents`.
  func variant<Value>(
    _ contents: String, _ value: () throws(BusFailure) -> Value
  ) throws(BusFailure) -> Value { try container("v", contents, value) }

  /// A dictionary from names to variants; `value` reads or skips each.
  func properties(_ value: (String) throws(BusFailure) -> Void) throws(BusFailure) {
    _ = try array("{sv}") { () throws(BusFailure) in
      try container("e", "sv") { () throws(BusFailure) in try value(try string()) }
    }
  }

  /// Passes over what has the signature `types`.
  func skip(_ types: String) throws(BusFailure) { try check(sd_bus_message_skip(message, types)) }

  private func container<Value>(
    _ type: Unicode.Scalar, _ contents: String, _ read: () throws(BusFailure) -> Value
  ) throws(BusFailure) -> Value {
    try check(sd_bus_message_enter_container(message, CChar(ascii: type), contents))
    let value = try read()
    try check(sd_bus_message_exit_container(message))
    return value
  }

  private func atEnd() throws(BusFailure) -> Bool {
    let code = sd_bus_message_at_end(message, 0)
    if code < 0 { throw BusFailure(attempt, code: code) }
    return code > 0
  }

  private func text(type: Unicode.Scalar) throws(BusFailure) -> String {
    var text: UnsafePointer<CChar>?
    try check(sd_bus_message_read_basic(message, CChar(ascii: type), &text))
    return text.map { String(cString: $0) } ?? ""
  }

  private func number<Value: FixedWidthInteger>(
    _ type: Unicode.Scalar, _ zero: Value
  ) throws(BusFailure) -> Value {
    var value = zero
    try check(sd_bus_message_read_basic(message, CChar(ascii: type), &value))
    return value
  }

  /// 0 is an error too: it says that the array or message has ended before the field.
  private func check(_ code: Int32) throws(BusFailure) {
    if code < 0 { throw BusFailure(attempt, code: code) }
    if code == 0 { throw BusFailure(attempt, code: -EBADMSG) }
  }
}

extension CChar {
  fileprivate init(ascii scalar: Unicode.Scalar) { self = CChar(truncatingIfNeeded: scalar.value) }
}
