package main

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vim25/xml"
)

// remembered is what outlives the simulator of a machine: all but its power and its snapshots.
type remembered struct {
	Folder types.ManagedObjectReference
	Pool   types.ManagedObjectReference
	Host   types.ManagedObjectReference
	Config types.VirtualMachineConfigInfo
}

type everything struct {
	Machine   []remembered
	Autostart []autostart
}

var saving struct {
	sync.Mutex
	last []byte
}

func memory() string { return filepath.Join(*folder, "machines.xml") }

// save writes down which machines there are.
func save() {
	saving.Lock()
	defer saving.Unlock()
	var all everything
	for _, each := range simulator.Map.All("VirtualMachine") {
		simulator.Map.WithLock(each, func() {
			vm, ok := each.(*simulator.VirtualMachine)
			if ok && vm.ResourcePool != nil && vm.Runtime.Host != nil {
				all.Machine = append(all.Machine, remembered{*vm.Parent, *vm.ResourcePool, *vm.Runtime.Host, *vm.Config})
			}
		})
	}
	for _, manager := range managers {
		all.Autostart = append(all.Autostart, manager.remembered())
	}
	text, err := xml.Marshal(all)
	check(err)
	if bytes.Equal(text, saving.last) {
		return
	}
	saving.last = text
	replace(memory(), text)
}

// recall brings back the machines of a simulator that ran in the same folder, without power.
func recall() {
	text, err := os.ReadFile(memory())
	if os.IsNotExist(err) {
		return
	}
	check(err)
	var all everything
	decoder := xml.NewDecoder(bytes.NewReader(text))
	decoder.TypeFunc = types.TypeFunc()
	check(decoder.Decode(&all))
	for i := range all.Machine {
		register(&all.Machine[i])
	}
	comeBack(all.Autostart)
}

func register(m *remembered) {
	in, ok := simulator.Map.Get(m.Folder).(*simulator.Folder)
	if !ok {
		return
	}
	ctx := caller()
	end := inner(ctx, in, func() soap.HasFault {
		return in.RegisterVMTask(ctx, &types.RegisterVM_Task{This: in.Self, Path: m.Config.Files.VmPathName, Name: m.Config.Name, Pool: &m.Pool, Host: &m.Host})
	})
	if end.fault != nil {
		return // its files are gone
	}
	machine := machineOf(end.result.(types.ManagedObjectReference))
	devices := object.VirtualDeviceList(m.Config.Hardware.Device)
	for _, disk := range devices.SelectByType((*types.VirtualDisk)(nil)) {
		_ = os.MkdirAll(filepath.Dir(onDisk(diskFile(disk.(*types.VirtualDisk)))), 0o700)
	}
	simulator.Map.WithLock(machine.VirtualMachine, func() {
		networks := []types.ManagedObjectReference{}
		cards := []types.GuestNicInfo{}
		for _, device := range devices {
			if card, ok := device.(types.BaseVirtualEthernetCard); ok {
				about := card.GetVirtualEthernetCard()
				name := ""
				if backing, ok := about.Backing.(*types.VirtualEthernetCardNetworkBackingInfo); ok && backing.Network != nil {
					networks, name = append(networks, *backing.Network), backing.DeviceName
				}
				cards = append(cards, types.GuestNicInfo{Network: name, MacAddress: about.MacAddress, Connected: true, DeviceConfigId: about.Key})
			}
		}
		simulator.Map.Update(machine.VirtualMachine, []types.PropertyChange{
			{Name: "config", Val: m.Config}, {Name: "network", Val: networks}, {Name: "guest.net", Val: cards},
			{Name: "summary.config.name", Val: m.Config.Name}, {Name: "summary.config.annotation", Val: m.Config.Annotation},
			{Name: "summary.config.numCpu", Val: m.Config.Hardware.NumCPU}, {Name: "summary.config.memorySizeMB", Val: m.Config.Hardware.MemoryMB},
			{Name: "summary.config.numVirtualDisks", Val: int32(len(devices.SelectByType((*types.VirtualDisk)(nil))))},
			{Name: "summary.config.numEthernetCards", Val: int32(len(cards))},
		})
	})
}
