# What Vagrant itself makes of a Vagrantfile for VirtualBox: a JSON object a machine.
gem "vagrant"
require "vagrant"
require "json"

env = Vagrant::Environment.new(ui_class: Vagrant::UI::Silent)
read = env.machine_names.to_h do |name|
  machine = env.machine(name, :virtualbox)
  config, own = machine.config, machine.provider_config
  vm = config.vm
  networks = vm.networks.map { |kind, options| options.merge(kind: kind) }
  [name, { box: [vm.box, vm.box_version], name: own.name, linked_clone: own.linked_clone,
           hardware: own.customizations.map { |_, words| words.drop(2) }, networks: networks,
           folders: vm.synced_folders.reject { |_, options| options[:disabled] }.keys,
           insert_key: config.ssh.insert_key, keys: config.ssh.private_key_path,
           scripts: vm.provisioners.map { |one| one.config.inline } }]
end
puts JSON.generate(read)
