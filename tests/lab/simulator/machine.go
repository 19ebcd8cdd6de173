package main

import (
	"fmt"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// LabMachine answers for a virtual machine what the simulator answers too simply.
type LabMachine struct {
	Pad mo.SessionManager // the simulator wants one of its own first when it looks through the registry
	*simulator.VirtualMachine
	guest *guest
}

func (m *LabMachine) Reference() types.ManagedObjectReference {
	return types.ManagedObjectReference{Type: "LabMachine", Value: m.Self.Value}
}

func machineOf(ref types.ManagedObjectReference) *LabMachine {
	machine, _ := simulator.Map.Get(types.ManagedObjectReference{Type: "LabMachine", Value: ref.Value}).(*LabMachine)
	return machine
}

func (m *LabMachine) on() bool {
	return m.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn
}

func (m *LabMachine) wrongPower(wanted types.VirtualMachinePowerState) outcome {
	words := map[types.VirtualMachinePowerState]string{"poweredOn": "Powered on", "poweredOff": "Powered off", "suspended": "Suspended"}
	is := m.Runtime.PowerState
	return outcome{fault: &types.InvalidPowerState{RequestedState: wanted, ExistingState: is},
		text: fmt.Sprintf("The attempted operation cannot be performed in the current state (%s).", words[is])}
}

func (m *LabMachine) PowerOnVMTask(ctx *simulator.Context, _ *types.PowerOnVM_Task) soap.HasFault {
	ref := run(m.Self, "PowerOnVM_Task", func() outcome {
		if m.on() {
			return m.wrongPower(types.VirtualMachinePowerStatePoweredOn)
		}
		if m.Config.Template {
			return outcome{fault: &types.NotSupported{}, text: "The operation is not supported on the object."}
		}
		if err := swap(m); err != nil {
			return outcome{fault: &types.NoDiskSpace{FileFault: types.FileFault{File: m.Config.Files.VmPathName}}, text: err.Error()}
		}
		if err := m.guest.start(m); err != nil {
			return outcome{fault: &types.GenericVmConfigFault{Reason: err.Error()}, text: err.Error()}
		}
		end := inner(ctx, m.VirtualMachine, func() soap.HasFault {
			return m.VirtualMachine.PowerOnVMTask(ctx, &types.PowerOnVM_Task{This: m.Self})
		})
		m.guest.report(m)
		return end
	})
	return &methods.PowerOnVM_TaskBody{Res: &types.PowerOnVM_TaskResponse{Returnval: ref}}
}

func (m *LabMachine) PowerOffVMTask(ctx *simulator.Context, _ *types.PowerOffVM_Task) soap.HasFault {
	ref := run(m.Self, "PowerOffVM_Task", func() outcome {
		if !m.on() {
			return m.wrongPower(types.VirtualMachinePowerStatePoweredOff)
		}
		m.guest.stop()
		return m.off(ctx)
	})
	return &methods.PowerOffVM_TaskBody{Res: &types.PowerOffVM_TaskResponse{Returnval: ref}}
}

// off is the book-keeping once a machine has no power any more.
func (m *LabMachine) off(ctx *simulator.Context) outcome {
	end := inner(ctx, m.VirtualMachine, func() soap.HasFault {
		return m.VirtualMachine.PowerOffVMTask(ctx, &types.PowerOffVM_Task{This: m.Self})
	})
	m.setTools("")
	dropSwap(m)
	return end
}

func (m *LabMachine) ResetVMTask(_ *simulator.Context, _ *types.ResetVM_Task) soap.HasFault {
	ref := run(m.Self, "ResetVM_Task", func() outcome {
		if !m.on() {
			return m.wrongPower(types.VirtualMachinePowerStatePoweredOn)
		}
		m.setTools("")
		m.guest.tell("reset")
		return outcome{}
	})
	return &methods.ResetVM_TaskBody{Res: &types.ResetVM_TaskResponse{Returnval: ref}}
}

// withTools says why the guest cannot be asked; nil if it can.
func (m *LabMachine) withTools() *soap.Fault {
	if !m.on() {
		wrong := m.wrongPower(types.VirtualMachinePowerStatePoweredOn)
		return refused(wrong.text, wrong.fault)
	}
	if m.Guest.ToolsRunningStatus != string(types.VirtualMachineToolsRunningStatusGuestToolsRunning) {
		return refused("Cannot complete operation because VMware Tools is not running in this virtual machine.", &types.ToolsUnavailable{})
	}
	return nil
}

func (m *LabMachine) ShutdownGuest(ctx *simulator.Context, _ *types.ShutdownGuest) soap.HasFault {
	if fault := m.withTools(); fault != nil {
		return &methods.ShutdownGuestBody{Fault_: fault}
	}
	if !m.guest.tell("shutdown") {
		go m.off(ctx)
	}
	return &methods.ShutdownGuestBody{Res: &types.ShutdownGuestResponse{}}
}

func (m *LabMachine) RebootGuest(_ *simulator.Context, _ *types.RebootGuest) soap.HasFault {
	if fault := m.withTools(); fault != nil {
		return &methods.RebootGuestBody{Fault_: fault}
	}
	m.setTools("")
	m.guest.tell("reset")
	return &methods.RebootGuestBody{Res: &types.RebootGuestResponse{}}
}

func (m *LabMachine) RenameTask(ctx *simulator.Context, req *types.Rename_Task) soap.HasFault {
	ref := run(m.Self, "Rename_Task", func() outcome {
		if taken := duplicate(req.NewName, m.Parent); taken != nil && taken.Object != m.Self {
			return outcome{fault: taken, text: nameTaken(req.NewName)}
		}
		end := inner(ctx, m.VirtualMachine, func() soap.HasFault {
			return m.VirtualMachine.RenameTask(&types.Rename_Task{This: m.Self, NewName: req.NewName})
		})
		if end.fault == nil {
			m.update(types.PropertyChange{Name: "config.name", Val: req.NewName}, types.PropertyChange{Name: "summary.config.name", Val: req.NewName})
		}
		return end
	})
	return &methods.Rename_TaskBody{Res: &types.Rename_TaskResponse{Returnval: ref}}
}

func (m *LabMachine) UnregisterVM(ctx *simulator.Context, _ *types.UnregisterVM) (res soap.HasFault) {
	self := m.Self
	ctx.Caller = &self
	simulator.Map.WithLock(m.VirtualMachine, func() {
		res = m.VirtualMachine.UnregisterVM(ctx, &types.UnregisterVM{This: self})
	})
	save()
	return res
}

func (m *LabMachine) DestroyTask(ctx *simulator.Context, _ *types.Destroy_Task) soap.HasFault {
	ref := run(m.Self, "Destroy_Task", func() outcome {
		if m.on() {
			return m.wrongPower(types.VirtualMachinePowerStatePoweredOff)
		}
		return m.destroy(ctx)
	})
	return &methods.Destroy_TaskBody{Res: &types.Destroy_TaskResponse{Returnval: ref}}
}

// destroy takes a machine away with ALL disks that are attached, as an ESX does.
func (m *LabMachine) destroy(ctx *simulator.Context) outcome {
	files := m.files()
	end := inner(ctx, m.VirtualMachine, func() soap.HasFault {
		return m.VirtualMachine.DestroyTask(ctx, &types.Destroy_Task{This: m.Self})
	})
	if end.fault == nil {
		removeDisks(files)
	}
	return end
}

func (m *LabMachine) update(changes ...types.PropertyChange) {
	simulator.Map.WithLock(m.VirtualMachine, func() { simulator.Map.Update(m.VirtualMachine, changes) })
}

// setTools publishes what VMware Tools report: running with an address, or silence.
func (m *LabMachine) setTools(address string) {
	status, running := types.VirtualMachineToolsStatusToolsNotRunning, types.VirtualMachineToolsRunningStatusGuestToolsNotRunning
	if address != "" {
		status, running = types.VirtualMachineToolsStatusToolsOk, types.VirtualMachineToolsRunningStatusGuestToolsRunning
	}
	cards := append([]types.GuestNicInfo(nil), m.Guest.Net...)
	if len(cards) > 0 {
		cards[0].IpAddress = nil
		if address != "" {
			cards[0].IpAddress = []string{address}
		}
	}
	m.update(
		types.PropertyChange{Name: "guest.toolsStatus", Val: status}, types.PropertyChange{Name: "guest.toolsRunningStatus", Val: string(running)},
		types.PropertyChange{Name: "summary.guest.toolsStatus", Val: status},
		types.PropertyChange{Name: "summary.guest.toolsRunningStatus", Val: string(running)},
		types.PropertyChange{Name: "guest.net", Val: cards}, types.PropertyChange{Name: "summary.guest.ipAddress", Val: address},
		types.PropertyChange{Name: "guest.ipAddress", Val: address})
}

func setToolsNamed(name, address string) {
	for _, each := range simulator.Map.All("VirtualMachine") {
		if each.Entity().Name == name {
			machineOf(each.Reference()).setTools(address)
		}
	}
}
