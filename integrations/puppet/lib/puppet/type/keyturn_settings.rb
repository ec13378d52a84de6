# frozen_string_literal: true

# SPDX-License-Identifier: Apache-2.0

require 'puppet/parameter/boolean'

Puppet::Type.newtype(:keyturn_settings) do
  @doc = <<~DOC
    Settings that this node proposes to its Keyturn agent. When all nodes propose the same, they are rolled out, on all
    nodes at one instant.

        keyturn_settings { 'encryption':
          settings => {
            'MINIO_KMS_SERVER'  => 'https://kms-1.example.net:7373',
            'MINIO_KMS_ENCLAVE' => 'store',
            'MINIO_KMS_SSE_KEY' => 'store-key',
          },
          secrets  => Sensitive({ 'MINIO_KMS_API_KEY' => $api_key }),
        }

    Whether they are held already cannot be asked without proposing them: under noop a change is always reported, and
    nothing is done. Otherwise a change is reported only if there was one.
  DOC

  newproperty(:ensure) do
    desc 'proposed, or absent: this node proposes nothing.'
    newvalue(:proposed) { provider.done }
    newvalue(:absent) { provider.done }
    defaultto :proposed

    # It is not known before it was done, and a look may do nothing.
    def retrieve
      :unknown
    end

    # keyturn itself is idempotent and says whether it has changed anything. Without noop it is asked here, since only
    # its answer tells whether this is a change.
    def insync?(_is)
      return false if resource.noop?

      !provider.act(should)
    end

    def change_to_s(_is, should)
      return "would be #{should}, if it is not so already" if resource.noop?

      provider.message
    end
  end

  newparam(:name, namevar: true) do
    desc 'Any name.'
  end

  newparam(:settings) do
    desc 'MINIO_* variables and their values, without secrets.'
    defaultto({})
    validate { |value| raise ArgumentError, 'settings is a hash' unless value.is_a?(Hash) }
  end

  newparam(:secrets) do
    desc 'Variables whose values are secrets, as Sensitive. They reach keyturn by standard input.'
    defaultto({})
    munge { |value| value.respond_to?(:unwrap) ? value.unwrap : value }
    validate do |value|
      value = value.unwrap if value.respond_to?(:unwrap)
      raise ArgumentError, 'secrets is a hash' unless value.is_a?(Hash)
    end
  end

  newparam(:api_key_file) do
    desc 'A file with the value of MINIO_KMS_API_KEY, on this node and root\'s alone. So no catalog has the key.'
    validate do |value|
      raise ArgumentError, 'api_key_file is an absolute path' unless Puppet::Util.absolute_path?(value)
    end
  end

  newparam(:unset, array_matching: :all) do
    desc 'Variables to remove.'
    defaultto([])
    munge { |value| [value].flatten }
  end

  newparam(:create_key, boolean: true, parent: Puppet::Parameter::Boolean) do
    desc 'Let the first start create the SSE key.'
    defaultto false
  end

  newparam(:wait) do
    desc 'Wait so many seconds until the settings are in force on all nodes. All nodes must hold them by then.'
    munge { |value| Integer(value) }
  end

  validate do
    nothing = %i[settings secrets unset].all? { |name| (self[name] || []).empty? } && self[:api_key_file].nil?
    raise Puppet::Error, 'there is nothing to propose: give settings, secrets, api_key_file or unset' if
      self[:ensure] == :proposed && nothing
  end

  # Sensitive values are parameters here, which Puppet does not show.
  def set_sensitive_parameters(names)
    super(names - %i[secrets settings])
  end
end
