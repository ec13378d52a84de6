# frozen_string_literal: true

# SPDX-License-Identifier: Apache-2.0

require 'json'
require 'open3'

Puppet::Type.type(:keyturn_settings).provide(:keyturn) do
  desc 'Runs the installed keyturn, on a node, as root.'

  self::NAME = /\AMINIO_[A-Z0-9_]+\z/
  self::CONTROL = /[\x00-\x1f\x7f]/
  self::PLACES = '/usr/local/bin:/usr/bin'

  attr_reader :message

  # Does it, and says whether that has changed anything.
  def act(should)
    @message, changed = run(*(should == :absent ? [%w[propose --withdraw], ''] : proposal))
    changed
  end

  # The change was made when it was asked for.
  def done; end

  def self.program
    Puppet::Util.withenv('PATH' => "#{ENV.fetch('PATH', '')}:#{self::PLACES}") { Puppet::Util.which('keyturn') } ||
      raise(Puppet::Error, 'keyturn is not installed on this host')
  end

  private

  def proposal
    text = lines(:settings) + lines(:secrets)
    arguments = ['propose']
    arguments += ['--settings', '-'] unless text.empty?
    arguments += ['--api-key-file', resource[:api_key_file]] if resource[:api_key_file]
    resource[:unset].each { |name| arguments += ['--unset', named(name)] }
    arguments << '--create-key' if resource[:create_key]
    arguments += ['--wait', '--timeout', resource[:wait].to_s] if resource[:wait]
    [arguments, text]
  end

  # What is wrong with a value keyturn says itself, as long as it is one line.
  def lines(parameter)
    resource[parameter].map do |name, value|
      value = value.unwrap if value.respond_to?(:unwrap)
      value = value.to_s if value.is_a?(Integer)
      unless value.is_a?(String) && !value.empty? && value !~ self.class::CONTROL
        raise Puppet::Error, "#{parameter}: the value of #{named(name)} is not one line of text"
      end
      "#{named(name)}=\"#{value}\"\n"
    end.join
  end

  def named(name)
    unless name =~ self.class::NAME
      raise Puppet::Error, "#{name} is no name of a setting: MINIO_ and capital letters, digits, _"
    end

    name
  end

  # Not Puppet's own way to run a program: it would show arguments and hand standard input over by a file.
  def run(arguments, text)
    out, err, status = Open3.capture3(self.class.program, *arguments, '--json', stdin_data: text)
    events = out.lines.map { |line| parse(line) }.compact
    result = events.find { |event| event['event'] == 'result' }
    if result.nil?
      raise Puppet::Error, "keyturn #{arguments.first} ended with #{status.exitstatus} and without a result: " \
                           "#{(err.empty? ? out : err)[-500..] || err}"
    end
    message = sentence(events, result)
    raise Puppet::Error, message unless status.success?

    [message, result['changed'] == true]
  end

  def parse(line)
    event = JSON.parse(line)
    event if event.is_a?(Hash)
  rescue JSON::ParserError
    nil
  end

  # How it ended and why, in one line.
  def sentence(events, result)
    why = (result['ending'] || {}).fetch('why', []).grep(String)
    errors = events.select { |event| event['event'] == 'message' && event['severity'] == 'error' }
    ([result['message']] + why + errors.map { |event| event['message'] }).compact.uniq.join('; ')
  end
end
