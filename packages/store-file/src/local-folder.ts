/** Whether all changes in a folder are made through this machine's kernel, so that watching shows them. */
import { statfs } from 'node:fs/promises';
import process from 'node:process';

/** File systems that no other machine writes to, by the type that statfs(2) shows on Linux (linux/magic.h). What is not among them may be
 * a network file system, a cluster's, or FUSE with anything behind it. */
const LOCAL: ReadonlyMap<number, string> = new Map([
  [0xef53, 'ext2, ext3, ext4'],
  [0x58465342, 'XFS'],
  [0x9123683e, 'Btrfs'],
  [0xca451a4e, 'bcachefs'],
  [0x2fc12fc1, 'ZFS'],
  [0xf2f52010, 'F2FS'],
  [0x01021994, 'tmpfs'],
  [0x858458f6, 'ramfs'],
  [0x794c7630, 'overlayfs'],
  [0x24051905, 'UBIFS'],
  [0x72b6, 'JFFS2'],
  [0x3153464a, 'JFS'],
  [0x3434, 'NILFS2'],
  [0x52654973, 'ReiserFS'],
  [0x4d44, 'FAT'],
  [0x2011bab0, 'exFAT'],
  [0x7366746e, 'NTFS'],
  [0xf15f, 'eCryptfs'],
]);

/** Those that are met most, for messages. */
const REMOTE: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB'],
  [0x517b, 'SMB'],
  [0x65735546, 'FUSE'],
  [0x01021997, '9P'],
  [0x00c36400, 'Ceph'],
  [0x01161970, 'GFS2'],
  [0x7461636f, 'OCFS2'],
  [0x5346414f, 'AFS'],
]);

/** Why other machines' changes may stay unseen; undefined: they cannot. Errors: an errno. */
export async function unseenChanges(path: string): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'what kind of file system this is cannot be told here';
  return remoteReason((await statfs(path)).type);
}

/** The same by the type of the file system; pure. */
export function remoteReason(type: number): string | undefined {
  // A word of the kernel, which some platforms sign.
  const magic = type >>> 0;
  if (LOCAL.has(magic)) return undefined;
  const name = REMOTE.get(magic) ?? `file system type 0x${magic.toString(16)}`;
  return `on ${name} the changes that other machines make are not seen`;
}
