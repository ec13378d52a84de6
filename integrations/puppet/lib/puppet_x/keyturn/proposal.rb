# frozen_string_literal: true

# SPDX-License-Identifier: Apache-2.0

require 'json'
require 'open3'

module PuppetX; end

# What the type and the task have in common. It needs Ruby only, no Puppet: a task runs without one.
module PuppetX::Keyturn
  # Why nothing came of it, in one line.
  class Failure < StandardError
    attr_reader :exit_code

    def initialize(message, exit_code = nil)
      super(message)
      @exit_code = exit_code
    end
  end

  # Settings that this node proposes to its agent, by one run of keyturn.
  class Proposal
    NAME = /\AMINIO_[A-Z0-9_]+\z/.freeze
    CONTROL = /[\x00-\x1f\x7f]/.freeze
    PLACES = %w[/usr/local/bin /usr/bin].freeze

    # With `withdraw` this node proposes nothing any more, and the rest is not asked for.
    def initialize(withdraw: false, settings: {}, secrets: {}, unset: [], api_key_file: nil, create_key: false,
                   wait: nil)
      @text = withdraw ? '' : lines(settings) + lines(secrets)
      @arguments = ['propose']
      return @arguments << '--withdraw' if withdraw

      @arguments += ['--settings', '-'] unless @text.empty?
      @arguments += ['--api-key-file', api_key_file] if api_key_file
      unset.each { |name| @arguments += ['--unset', named(name)] }
      @arguments << '--create-key' if create_key
      @arguments += ['--wait', '--timeout', Integer(wait).to_s] if wait
    end

    def self.program
      PLACES.map { |place| "#{place}/keyturn" }.find { |path| File.executable?(path) } ||
        raise(Failure, 'keyturn is not installed on this host')
    end

    # The result of keyturn, with its message in one line. No value is in an argument, the environment or a file.
    def run
      out, err, status = Open3.capture3(self.class.program, *@arguments, '--json', stdin_data: @text)
      events = out.lines.map { |line| parse(line) }.compact
      result = events.find { |event| event['event'] == 'result' }
      if result.nil?
        said = (err.empty? ? out : err).strip
        raise Failure, "keyturn propose ended with #{status.exitstatus} and without a result: #{said[0, 500]}"
      end
      message = sentence(events, result)
      raise Failure.new(message, status.exitstatus) unless status.success?

      result.merge('message' => message)
    end

    private

    # What is wrong with a value keyturn says itself, as long as it is one line.
    def lines(values)
      values.map do |name, value|
        value = value.unwrap if value.respond_to?(:unwrap)
        value = value.to_s if value.is_a?(Integer)
        raise Failure, "the value of #{named(name)} is not one line of text" unless
          value.is_a?(String) && !value.empty? && value !~ CONTROL

        "#{named(name)}=\"#{value}\"\n"
      end.join
    end

    def named(name)
      raise Failure, "#{name} is no name of a setting: MINIO_ and capital letters, digits, _" unless name =~ NAME

      name
    end

    def parse(line)
      event = JSON.parse(line)
      event if event.is_a?(Hash)
    rescue JSON::ParserError
      nil
    end

    # How it ended and why.
    def sentence(events, result)
      why = (result['ending'] || {}).fetch('why', []).grep(String)
      errors = events.select { |event| event['event'] == 'message' && event['severity'] == 'error' }
      ([result['message']] + why + errors.map { |event| event['message'] }).compact.uniq.join('; ')
    end
  end
end
