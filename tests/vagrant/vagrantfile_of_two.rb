# Two machines on one internal network, without anything of labgrader's: what the room can do by itself.
Vagrant.configure("2") do |config|
  config.vm.box = "labgrader/test"
  config.vm.box_url = "file://#{ENV.fetch("TEST_BOX")}"
  config.vm.box_check_update = false
  config.vm.synced_folder ".", "/vagrant", disabled: true
  config.ssh.insert_key = false
  config.vm.boot_timeout = 300
  config.vm.provider :libvirt do |libvirt|
    libvirt.uri = "qemu:///system"
    libvirt.driver = "qemu"
    libvirt.cpu_mode = "custom"
    libvirt.cpu_model = "qemu64"
    libvirt.cpu_feature name: "rdrand", policy: "require"
    libvirt.memory = 256
    libvirt.graphics_type = "none"
    libvirt.video_type = "none"
    libvirt.management_network_name = "test-management"
    libvirt.management_network_address = "10.122.0.0/24"
    libvirt.management_network_mode = "none"
  end
  config.vm.provider :virtualbox do |virtualbox|
    virtualbox.memory = 256
    virtualbox.linked_clone = true
  end
  %w[one two].each_with_index do |name, number|
    config.vm.define name do |machine|
      machine.vm.network :private_network,
        ip: "192.168.0.#{10 + number}", netmask: "255.255.255.0", auto_config: false,
        mac: "02000000000#{number}", virtualbox__intnet: "test-lan",
        libvirt__network_name: "test-lan", libvirt__forward_mode: "veryisolated", libvirt__dhcp_enabled: false
    end
  end
end
