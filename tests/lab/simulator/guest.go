package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// guest is the program behind a machine with power. It is told what its machine is by one line of JSON; it says
// {"running": true} once it runs, then {"address": "..."} when tools would; it hears "shutdown", "reset" and "off" as
// lines, and takes the end of its input for "off". A machine has no power once its program has ended.
type guest struct {
	mutex   sync.Mutex
	command *exec.Cmd
	input   io.WriteCloser
	done    chan struct{}
}

type machineShape struct {
	Name      string            `json:"name"`
	Uuid      string            `json:"uuid"`
	Cpus      int32             `json:"cpus"`
	Memory    int64             `json:"memory"`
	Firmware  string            `json:"firmware"`
	Disks     []diskShape       `json:"disks"`
	Cards     []cardShape       `json:"cards"`
	Guestinfo map[string]string `json:"guestinfo"`
	Folder    string            `json:"folder"`
}

type diskShape struct {
	File       string `json:"file"`   // content, or what the overlay stands on
	Format     string `json:"format"` // vmdk with an overlay, or raw
	Overlay    string `json:"overlay"`
	Capacity   int64  `json:"capacity"`
	Controller string `json:"controller"`
	Bus        int32  `json:"bus"`
	Unit       int32  `json:"unit"`
	Uuid       string `json:"uuid"`
}

type cardShape struct {
	Mac     string `json:"mac"`
	Network string `json:"network"`
	Model   string `json:"model"`
}

type said struct {
	Running bool   `json:"running"`
	Address string `json:"address"`
}

func (m *LabMachine) shape() machineShape {
	made := machineShape{Name: m.Name, Uuid: m.Config.Uuid, Cpus: m.Config.Hardware.NumCPU, Firmware: m.Config.Firmware,
		Memory: int64(m.Config.Hardware.MemoryMB) << 20, Guestinfo: map[string]string{}, Folder: filepath.Join(*folder, "run", m.Self.Value)}
	devices := object.VirtualDeviceList(m.Config.Hardware.Device)
	for _, device := range devices {
		switch device := device.(type) {
		case *types.VirtualDisk:
			file := onDisk(diskFile(device))
			shape := diskShape{File: flat(file), Format: "raw", Capacity: device.CapacityInKB << 10}
			if uploaded(file) {
				shape.File, shape.Format, shape.Overlay = file, "vmdk", overlay(file)
			}
			if backing, ok := device.Backing.(*types.VirtualDiskFlatVer2BackingInfo); ok {
				shape.Uuid = backing.Uuid
			}
			if controller := devices.FindByKey(device.ControllerKey); controller != nil {
				shape.Controller = devices.Type(controller)
				if bus, ok := controller.(types.BaseVirtualController); ok {
					shape.Bus = bus.GetVirtualController().BusNumber
				}
			}
			if device.UnitNumber != nil {
				shape.Unit = *device.UnitNumber
			}
			made.Disks = append(made.Disks, shape)
		case types.BaseVirtualEthernetCard:
			card := device.GetVirtualEthernetCard()
			shape := cardShape{Mac: card.MacAddress, Model: strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", device), "*types.Virtual"))}
			if backing, ok := card.Backing.(*types.VirtualEthernetCardNetworkBackingInfo); ok {
				shape.Network = backing.DeviceName
			}
			made.Cards = append(made.Cards, shape)
		}
	}
	for _, option := range m.Config.ExtraConfig {
		if pair := option.GetOptionValue(); strings.HasPrefix(pair.Key, "guestinfo.") {
			made.Guestinfo[strings.TrimPrefix(pair.Key, "guestinfo.")] = fmt.Sprint(pair.Value)
		}
	}
	return made
}

// start runs the guest's program until it runs or is gone.
func (g *guest) start(m *LabMachine) error {
	if *guests == "" {
		return nil
	}
	shape := m.shape()
	check(os.MkdirAll(shape.Folder, 0o700))
	text, _ := json.Marshal(shape)
	errors, err := os.Create(filepath.Join(shape.Folder, "guest.log"))
	check(err)
	command := exec.Command(*guests)
	command.Stderr = errors
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	input, err := command.StdinPipe()
	check(err)
	output, err := command.StdoutPipe()
	check(err)
	if err := command.Start(); err != nil {
		return err
	}
	done, running := make(chan struct{}), make(chan struct{})
	g.mutex.Lock()
	g.command, g.input, g.done = command, input, done
	g.mutex.Unlock()
	go g.listen(m, command, output, running, done)
	_, _ = input.Write(append(text, '\n'))
	select {
	case <-running:
		return nil
	case <-done:
		why, _ := os.ReadFile(errors.Name())
		lines := strings.Split(strings.TrimSpace(string(why)), "\n")
		return fmt.Errorf("Module 'DevicePowerOn' power on failed: %s", lines[len(lines)-1])
	}
}

// listen hears the program until its end, which is the end of the machine's power.
func (g *guest) listen(m *LabMachine, command *exec.Cmd, output io.Reader, running, done chan struct{}) {
	lines, told := bufio.NewScanner(output), false
	for lines.Scan() {
		var heard said
		if json.Unmarshal(lines.Bytes(), &heard) != nil {
			log.Printf("%s: %s", m.Name, lines.Text())
			continue
		}
		if heard.Running && !told {
			told = true
			close(running)
		}
		if heard.Address != "" {
			m.setTools(heard.Address)
		}
	}
	_ = command.Wait()
	g.mutex.Lock()
	own := g.command == command
	if own {
		g.command = nil
	}
	g.mutex.Unlock()
	close(done)
	if own && told && m.on() {
		m.off(caller())
	}
}

// tell says a word to the guest; false if there is none.
func (g *guest) tell(word string) bool {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if g.command == nil {
		return false
	}
	_, err := io.WriteString(g.input, word+"\n")
	return err == nil
}

// stop takes the power away.
func (g *guest) stop() {
	g.mutex.Lock()
	command, input, done := g.command, g.input, g.done
	g.command = nil
	g.mutex.Unlock()
	if command == nil {
		return
	}
	_, _ = io.WriteString(input, "off\n")
	_ = input.Close()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
		<-done
	}
}

// report says what tools would, where there is no guest that could.
func (g *guest) report(m *LabMachine) {
	if *guests == "" && *answers != "" {
		m.setTools(*answers)
	}
}

func stopGuests() {
	var all sync.WaitGroup
	for _, each := range simulator.Map.All("VirtualMachine") {
		if machine := machineOf(each.Reference()); machine != nil {
			all.Add(1)
			go func() { machine.guest.stop(); all.Done() }()
		}
	}
	all.Wait()
}
