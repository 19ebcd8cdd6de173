package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// The content of a disk "X.vmdk" lies beside it: what was uploaded stays in X.vmdk as it came and changes are in
// X.vmdk.qcow2; a disk that was made empty is X-flat.vmdk, raw and with holes.

const streamMagic = "KDMV"

func onDisk(path string) string {
	var at object.DatastorePath
	at.FromString(path)
	return filepath.Join(place(at.Datastore), at.Path)
}

func flat(file string) string    { return strings.TrimSuffix(file, ".vmdk") + "-flat.vmdk" }
func overlay(file string) string { return file + ".qcow2" }

func diskFile(disk *types.VirtualDisk) string {
	if backing, ok := disk.Backing.(types.BaseVirtualDeviceFileBackingInfo); ok {
		return backing.GetVirtualDeviceFileBackingInfo().FileName
	}
	return ""
}

func (m *LabMachine) disks() (all []*types.VirtualDisk) {
	for _, device := range m.Config.Hardware.Device {
		if disk, ok := device.(*types.VirtualDisk); ok {
			all = append(all, disk)
		}
	}
	return all
}

func (m *LabMachine) disk(key int32) *types.VirtualDisk {
	for _, disk := range m.disks() {
		if disk.Key == key {
			return disk
		}
	}
	return nil
}

func (m *LabMachine) files() (all []string) {
	for _, disk := range m.disks() {
		all = append(all, onDisk(diskFile(disk)))
	}
	return all
}

func holder(file string) *LabMachine {
	for _, each := range simulator.Map.All("VirtualMachine") {
		if machine := machineOf(each.Reference()); machine != nil {
			for _, disk := range machine.disks() {
				if diskFile(disk) == file {
					return machine
				}
			}
		}
	}
	return nil
}

func uploaded(file string) bool {
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, len(streamMagic))
	_, _ = f.Read(head)
	return bytes.Equal(head, []byte(streamMagic))
}

// shape gives each disk that was made empty its size, and each its uuid, which is the file's and not the machine's.
func shape(disks []*types.VirtualDisk) {
	for _, disk := range disks {
		path := diskFile(disk)
		file := onDisk(path)
		if info, err := os.Stat(flat(file)); err == nil && !uploaded(file) && info.Size() < disk.CapacityInKB<<10 {
			_ = os.Truncate(flat(file), disk.CapacityInKB<<10)
		}
		disk.CapacityInBytes = disk.CapacityInKB << 10
		if backing, ok := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo); ok {
			backing.Uuid = uuid.NewSHA1(uuid.NameSpaceOID, []byte(file)).String()
		}
	}
}

func removed(spec types.VirtualMachineConfigSpec) (files []string) {
	for _, each := range spec.DeviceChange {
		change := each.GetVirtualDeviceConfigSpec()
		disk, ok := change.Device.(*types.VirtualDisk)
		if ok && change.Operation == types.VirtualDeviceConfigSpecOperationRemove &&
			change.FileOperation == types.VirtualDeviceConfigSpecFileOperationDestroy {
			files = append(files, onDisk(diskFile(disk)))
		}
	}
	return files
}

func removeDisks(files []string) {
	for _, file := range files {
		for _, name := range []string{file, flat(file), overlay(file)} {
			_ = os.Remove(name)
		}
	}
}

// existing lets a disk be attached whose file is there, with the size that the file has.
func (m *LabMachine) existing(path string, disk *types.VirtualDisk) outcome {
	file := onDisk(path)
	if _, err := os.Stat(file); err != nil {
		return outcome{fault: &types.FileNotFound{FileFault: types.FileFault{File: path}}, text: fmt.Sprintf("File %s was not found", path)}
	}
	if info, err := os.Stat(flat(file)); err == nil && info.Size() > 0 {
		disk.CapacityInKB = info.Size() >> 10
	}
	return outcome{}
}

// room refuses a disk that takes all its space at once where there is not as much.
func room(path string, disk *types.VirtualDisk) outcome {
	backing, ok := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
	if ok && backing.ThinProvisioned != nil && *backing.ThinProvisioned {
		return outcome{}
	}
	var at object.DatastorePath
	at.FromString(path)
	if capacity[at.Datastore]-used(place(at.Datastore)) < disk.CapacityInKB<<10 {
		return noSpace(path)
	}
	return outcome{}
}

func noSpace(path string) outcome {
	return outcome{fault: &types.NoDiskSpace{FileFault: types.FileFault{File: path}}, text: fmt.Sprintf("Insufficient disk space on datastore for %s.", path)}
}

// swap takes the space that a machine with power needs beside its disks.
func swap(m *LabMachine) error {
	var at object.DatastorePath
	at.FromString(m.Config.Files.VmPathName)
	if need := int64(m.Config.Hardware.MemoryMB) << 20; capacity[at.Datastore]-used(place(at.Datastore)) < need {
		return fmt.Errorf("Failed to extend swap file to %d KB: there is no space left on datastore %s.", need>>10, at.Datastore)
	}
	return os.WriteFile(onDisk(m.Config.Files.VmPathName)+".vswp", nil, 0o600)
}

func dropSwap(m *LabMachine) { _ = os.Remove(onDisk(m.Config.Files.VmPathName) + ".vswp") }
