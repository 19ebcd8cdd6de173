package main

import (
	"fmt"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

func (m *LabMachine) ReconfigVMTask(ctx *simulator.Context, req *types.ReconfigVM_Task) soap.HasFault {
	ref := run(m.Self, "ReconfigVM_Task", func() outcome { return m.reconfigure(ctx, req.Spec) })
	return &methods.ReconfigVM_TaskBody{Res: &types.ReconfigVM_TaskResponse{Returnval: ref}}
}

func (m *LabMachine) reconfigure(ctx *simulator.Context, spec types.VirtualMachineConfigSpec) outcome {
	for i, change := range spec.DeviceChange {
		if end := m.mayChange(int32(i), change.GetVirtualDeviceConfigSpec()); end.fault != nil {
			return end
		}
	}
	if m.on() && (spec.NumCPUs != 0 && spec.NumCPUs != m.Config.Hardware.NumCPU ||
		spec.MemoryMB != 0 && int32(spec.MemoryMB) != m.Config.Hardware.MemoryMB) {
		return m.wrongPower(types.VirtualMachinePowerStatePoweredOff) // without hot add, which is off by default
	}
	if taken := duplicate(spec.Name, m.Parent); spec.Name != "" && taken != nil && taken.Object != m.Self {
		return outcome{fault: taken, text: nameTaken(spec.Name)}
	}
	gone := removed(spec)
	end := inner(ctx, m.VirtualMachine, func() soap.HasFault {
		return m.VirtualMachine.ReconfigVMTask(ctx, &types.ReconfigVM_Task{This: m.Self, Spec: spec})
	})
	if end.fault == nil {
		removeDisks(gone)
		shape(m.disks())
	}
	m.settle()
	return end
}

// mayChange finds what an ESX refuses and the simulator would fall over, or do.
func (m *LabMachine) mayChange(index int32, change *types.VirtualDeviceConfigSpec) outcome {
	invalid := fmt.Sprintf("Invalid configuration for device '%d'.", index)
	switch device := change.Device.(type) {
	case types.BaseVirtualEthernetCard:
		backing, ok := device.GetVirtualEthernetCard().Backing.(*types.VirtualEthernetCardNetworkBackingInfo)
		if ok && networkNamed(backing.DeviceName, simulator.Map.Get(*m.Runtime.Host).(*simulator.HostSystem)) == nil {
			return outcome{fault: &types.InvalidDeviceBacking{InvalidDeviceSpec: types.InvalidDeviceSpec{DeviceIndex: index}}, text: invalid}
		}
	case *types.VirtualDisk:
		if change.Operation == types.VirtualDeviceConfigSpecOperationRemove {
			return outcome{}
		}
		file := diskFile(device)
		if change.Operation == types.VirtualDeviceConfigSpecOperationEdit {
			if old := m.disk(device.Key); old != nil && old.CapacityInKB > device.CapacityInKB {
				return outcome{fault: &types.InvalidDeviceSpec{DeviceIndex: index}, text: "Shrinking of a virtual disk is not supported."}
			}
			return outcome{}
		}
		if change.FileOperation == "" {
			if other := holder(file); other != nil {
				return outcome{fault: &types.FileLocked{FileFault: types.FileFault{File: file}},
					text: fmt.Sprintf("Failed to add disk: %s is used by %s.", file, other.Name)}
			}
			return m.existing(file, device)
		}
		return room(file, device)
	}
	return outcome{}
}

// settle brings into the machine what the simulator leaves untidy: of two values of a key the last counts, an empty
// one takes the key away.
func (m *LabMachine) settle() {
	values, keys := map[string]types.BaseOptionValue{}, []string{}
	for _, option := range m.Config.ExtraConfig {
		key := option.GetOptionValue().Key
		if _, known := values[key]; !known {
			keys = append(keys, key)
		}
		values[key] = option
	}
	var settled []types.BaseOptionValue
	for _, key := range keys {
		if values[key].GetOptionValue().Value != "" {
			settled = append(settled, values[key])
		}
	}
	m.update(types.PropertyChange{Name: "config.extraConfig", Val: settled},
		types.PropertyChange{Name: "summary.config.annotation", Val: m.Config.Annotation})
}
