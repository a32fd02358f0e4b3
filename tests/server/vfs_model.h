/* SPDX-License-Identifier: Apache-2.0 */
/* vfs_model.h - a ms_vfs that fails on demand and remembers what a power cut would leave.
 *
 * Every operation is done for real (so the database beside the blobs is real too) and in a model:
 * files have bytes that were synced and bytes that were not, folders have entries that were synced
 * and entries that were not. At a chosen operation the "power" goes: from then on everything fails,
 * and vm_materialise() writes one of the folders that the machine could come up with. */
#ifndef MS_TESTS_SERVER_VFS_MODEL_H
#define MS_TESTS_SERVER_VFS_MODEL_H

#include "base/vfs.h"

enum vm_mutant { /* a sync that the program is made to forget */
                 VM_NONE,
                 VM_NO_FILE_SYNC,
                 VM_NO_LEAF_SYNC,   /* blobs/sha256/ab */
                 VM_NO_PARENT_SYNC, /* blobs/sha256 */
                 VM_NO_TOP_SYNC,    /* "." and blobs */
                 VM_N_MUTANTS
};

enum vm_data { VM_DATA_LOST, VM_DATA_ZEROS, VM_DATA_HALF, VM_DATA_KEPT, VM_N_DATA };
enum vm_names { VM_NAMES_LOST, VM_NAMES_KEPT, VM_NAMES_EVEN, VM_NAMES_ODD, VM_N_NAMES };

struct vm_inode;
struct vm_entry;

struct vm {
    struct ms_vfs vfs;
    char root[256]; /* of the real folder */
    long ops;       /* done so far */
    /* fail operation number fail_at (1 = the first; 0 = none) with -error; with error 0, write only
     * half of it once */
    long fail_at;
    int error;
    bool fail_all;   /* and all that follow */
    int64_t begun;   /* bytes that were asked to be written out */
    int begin_fails; /* errno of every such question */
    long crash_at;   /* the power goes just before this operation */
    bool crashed;
    enum vm_mutant mutant;
    /* the model */
    struct vm_inode *inode;
    int n_inodes, cap_inodes;
    struct vm_entry *now, *durable;
    int n_now, n_durable, cap_now, cap_durable;
    int fd_inode[1024]; /* inode + 1 */
    char fd_path[1024][128];
    void (*on_crash)(struct vm *m);
};

/* root is the folder that the store is opened in; it must be new. */
void vm_init(struct vm *m, const char *root);
void vm_done(struct vm *m);
/* Writes a folder as a power cut would have left it; the database is copied from snap (a folder).
 */
void vm_materialise(const struct vm *m, const char *to, enum vm_data data, enum vm_names names);

/* ---- folders for tests ---- */
void tmp_folder(char path[256]);
void remove_folder(const char *path);
/* Copies mindserve.db and its log. */
void copy_database(const char *from, const char *to);

#endif
