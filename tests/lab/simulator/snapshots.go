package main

import (
	"os"
	"os/exec"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// LabSnapshot also keeps the content of the machine's disks, which the simulator does not.
type LabSnapshot struct {
	Pad mo.SessionManager
	*simulator.VirtualMachineSnapshot
}

func (s *LabSnapshot) Reference() types.ManagedObjectReference {
	return types.ManagedObjectReference{Type: "LabSnapshot", Value: s.Self.Value}
}

// kept is where a snapshot keeps a file; a machine's own disks alone, as independent ones are left out.
func kept(file, snapshot string) string { return file + "." + snapshot }

func (m *LabMachine) contents() (files []string) {
	for _, disk := range m.disks() {
		backing, ok := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
		if ok && strings.HasPrefix(backing.DiskMode, "independent") {
			continue
		}
		file := onDisk(diskFile(disk))
		if uploaded(file) {
			files = append(files, overlay(file))
		} else {
			files = append(files, flat(file))
		}
	}
	return files
}

func copyFile(from, to string) {
	if _, err := os.Stat(from); err != nil {
		_ = os.Remove(to)
		return
	}
	_ = exec.Command("cp", "--sparse=always", "--reflink=auto", from, to).Run()
}

func (m *LabMachine) CreateSnapshotTask(ctx *simulator.Context, req *types.CreateSnapshot_Task) soap.HasFault {
	ref := run(m.Self, "CreateSnapshot_Task", func() outcome {
		end := inner(ctx, m.VirtualMachine, func() soap.HasFault { return m.VirtualMachine.CreateSnapshotTask(req) })
		if made, ok := end.result.(types.ManagedObjectReference); ok && end.fault == nil {
			for _, file := range m.contents() {
				copyFile(file, kept(file, made.Value))
			}
		}
		return end
	})
	return &methods.CreateSnapshot_TaskBody{Res: &types.CreateSnapshot_TaskResponse{Returnval: ref}}
}

// back gives a machine the disks that a snapshot kept; its power goes, for no snapshot here has memory.
func (m *LabMachine) back(ctx *simulator.Context, snapshot string) {
	if m.on() {
		m.guest.stop()
		m.off(ctx)
	}
	for _, file := range m.contents() {
		copyFile(kept(file, snapshot), file)
	}
}

func (m *LabMachine) RevertToCurrentSnapshotTask(ctx *simulator.Context, _ *types.RevertToCurrentSnapshot_Task) soap.HasFault {
	if m.Snapshot == nil || m.Snapshot.CurrentSnapshot == nil {
		return &methods.RevertToCurrentSnapshot_TaskBody{Fault_: refused("There is no snapshot.", &types.NotFound{})}
	}
	ref := run(m.Self, "RevertToCurrentSnapshot_Task", func() outcome {
		m.back(ctx, m.Snapshot.CurrentSnapshot.Value)
		return outcome{}
	})
	return &methods.RevertToCurrentSnapshot_TaskBody{Res: &types.RevertToCurrentSnapshot_TaskResponse{Returnval: ref}}
}

func (m *LabMachine) RemoveAllSnapshotsTask(ctx *simulator.Context, req *types.RemoveAllSnapshots_Task) soap.HasFault {
	ref := run(m.Self, "RemoveAllSnapshots_Task", func() outcome {
		return inner(ctx, m.VirtualMachine, func() soap.HasFault {
			return m.VirtualMachine.RemoveAllSnapshotsTask(ctx, &types.RemoveAllSnapshots_Task{This: m.Self})
		})
	})
	return &methods.RemoveAllSnapshots_TaskBody{Res: &types.RemoveAllSnapshots_TaskResponse{Returnval: ref}}
}

func (s *LabSnapshot) RevertToSnapshotTask(ctx *simulator.Context, _ *types.RevertToSnapshot_Task) soap.HasFault {
	ref := run(s.Vm, "RevertToSnapshot_Task", func() outcome {
		machineOf(s.Vm).back(ctx, s.Self.Value)
		return inner(ctx, s.VirtualMachineSnapshot, func() soap.HasFault {
			return s.VirtualMachineSnapshot.RevertToSnapshotTask(&types.RevertToSnapshot_Task{This: s.Self})
		})
	})
	return &methods.RevertToSnapshot_TaskBody{Res: &types.RevertToSnapshot_TaskResponse{Returnval: ref}}
}

func (s *LabSnapshot) RemoveSnapshotTask(ctx *simulator.Context, req *types.RemoveSnapshot_Task) soap.HasFault {
	ref := run(s.Vm, "RemoveSnapshot_Task", func() outcome {
		for _, file := range machineOf(s.Vm).contents() {
			_ = os.Remove(kept(file, s.Self.Value))
		}
		return inner(ctx, s.VirtualMachineSnapshot, func() soap.HasFault {
			return s.VirtualMachineSnapshot.RemoveSnapshotTask(ctx, &types.RemoveSnapshot_Task{This: s.Self, RemoveChildren: req.RemoveChildren})
		})
	})
	return &methods.RemoveSnapshot_TaskBody{Res: &types.RemoveSnapshot_TaskResponse{Returnval: ref}}
}
