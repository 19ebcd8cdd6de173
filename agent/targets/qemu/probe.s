# A boot sector that counts in long mode, then leaves qemu through isa-debug-exit: what a processor must do for a guest.
.intel_syntax noprefix
.code16
    cli
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, 0x7c00
    cld
    # Page tables at 0x1000: the first 2 MiB, as they are.
    mov edi, 0x1000
    mov cr3, edi
    xor eax, eax
    mov ecx, 0xc00
    rep stosd
    mov dword ptr [0x1000], 0x2003
    mov dword ptr [0x2000], 0x3003
    mov dword ptr [0x3000], 0x83
    mov eax, cr4
    or eax, 0x20
    mov cr4, eax
    mov ecx, 0xc0000080
    rdmsr
    or eax, 0x100
    wrmsr
    mov eax, cr0
    or eax, 0x80000001
    mov cr0, eax
    lgdt [0x7c00 + pointer]
    ljmp 8, 0x7c00 + long
.code64
long:
    mov ax, 16
    mov ds, ax
    mov ss, ax
    mov ecx, 50000000
1:  add dword ptr [0x5000], ecx
    dec ecx
    jnz 1b
    mov al, 0x2a
    out 0xf4, al
2:  hlt
    jmp 2b
.balign 8
gdt:
    .quad 0, 0x00209a0000000000, 0x0000920000000000
pointer:
    .word pointer - gdt - 1
    .long 0x7c00 + gdt
.org 510
    .word 0xaa55
