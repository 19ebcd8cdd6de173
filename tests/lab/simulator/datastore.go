package main

import (
	"fmt"
	"os"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// LabBrowser tells the capacity of disks that it finds, which the simulator leaves out.
type LabBrowser struct {
	Pad mo.SessionManager
	*simulator.HostDatastoreBrowser
}

func (b *LabBrowser) Reference() types.ManagedObjectReference {
	return types.ManagedObjectReference{Type: "LabBrowser", Value: b.Self.Value}
}

func (b *LabBrowser) SearchDatastoreTask(ctx *simulator.Context, req *types.SearchDatastore_Task) soap.HasFault {
	ref := run(b.Datastore[0], "SearchDatastore_Task", func() outcome {
		end := inner(ctx, b.HostDatastoreBrowser, func() soap.HasFault { return b.HostDatastoreBrowser.SearchDatastoreTask(req) })
		if found, ok := end.result.(types.HostDatastoreBrowserSearchResults); ok {
			for _, file := range found.File {
				if disk, ok := file.(*types.VmDiskFileInfo); ok {
					if info, err := os.Stat(flat(onDisk(req.DatastorePath + "/" + disk.Path))); err == nil {
						disk.CapacityKb = info.Size() >> 10
					}
				}
			}
		}
		return end
	})
	return &methods.SearchDatastore_TaskBody{Res: &types.SearchDatastore_TaskResponse{Returnval: ref}}
}

// LabDisks makes disks that no machine has.
type LabDisks struct {
	Pad mo.SessionManager
	*simulator.VirtualDiskManager
}

func (d *LabDisks) Reference() types.ManagedObjectReference {
	return types.ManagedObjectReference{Type: "LabDisks", Value: d.Self.Value}
}

func (d *LabDisks) CreateVirtualDiskTask(ctx *simulator.Context, req *types.CreateVirtualDisk_Task) soap.HasFault {
	ref := run(d.Self, "CreateVirtualDisk_Task", func() outcome {
		spec, ok := req.Spec.(*types.FileBackedVirtualDiskSpec)
		if !ok {
			return outcome{fault: &types.InvalidArgument{InvalidProperty: "spec"}, text: "A specified parameter was not correct: spec"}
		}
		disk := &types.VirtualDisk{CapacityInKB: spec.CapacityKb}
		thin := spec.DiskType == string(types.VirtualDiskTypeThin)
		disk.Backing = &types.VirtualDiskFlatVer2BackingInfo{ThinProvisioned: &thin,
			VirtualDeviceFileBackingInfo: types.VirtualDeviceFileBackingInfo{FileName: req.Name}}
		if end := room(req.Name, disk); end.fault != nil {
			return end
		}
		end := inner(ctx, d.VirtualDiskManager, func() soap.HasFault { return d.VirtualDiskManager.CreateVirtualDiskTask(ctx, req) })
		if end.fault == nil {
			shape([]*types.VirtualDisk{disk})
		}
		return end
	})
	return &methods.CreateVirtualDisk_TaskBody{Res: &types.CreateVirtualDisk_TaskResponse{Returnval: ref}}
}

func (d *LabDisks) ExtendVirtualDiskTask(_ *simulator.Context, req *types.ExtendVirtualDisk_Task) soap.HasFault {
	ref := run(d.Self, "ExtendVirtualDisk_Task", func() outcome {
		file := flat(onDisk(req.Name))
		info, err := os.Stat(file)
		if err != nil {
			return outcome{fault: &types.FileNotFound{FileFault: types.FileFault{File: req.Name}}, text: fmt.Sprintf("File %s was not found", req.Name)}
		}
		if info.Size() > req.NewCapacityKb<<10 {
			return outcome{fault: &types.InvalidArgument{InvalidProperty: "newCapacityKb"}, text: "A specified parameter was not correct: newCapacityKb"}
		}
		check(os.Truncate(file, req.NewCapacityKb<<10))
		return outcome{}
	})
	return &methods.ExtendVirtualDisk_TaskBody{Res: &types.ExtendVirtualDisk_TaskResponse{Returnval: ref}}
}
