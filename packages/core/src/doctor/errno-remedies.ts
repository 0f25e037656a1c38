/** What to do about a folder that the operating system refuses, by the name of its error (errno(3)); docs/errors.md has them too. */

const IN_THE_WAY = 'remove what stands there in the place of a folder or a record, or let `path` name another folder.';
const NO_RIGHT = 'give the folder to the user that runs stunmesh, or let that user read and write there (`ls -ld`).';
const NO_SPACE = 'free some space there, or let `path` name another folder.';

/** By code, then by errno. */
export const ERRNO_REMEDIES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  ERR_STORE_DENIED: {
    EROFS:
      'mount that file system writable, or let `path` name a folder elsewhere; a service of systemd may write to what its unit lists in `ReadWritePaths=`.',
    EACCES: NO_RIGHT,
    EPERM: NO_RIGHT,
    ENOTDIR: IN_THE_WAY,
    EISDIR: IN_THE_WAY,
    ELOOP: IN_THE_WAY,
  },
  ERR_STORE_UNAVAILABLE: {
    ENOENT: 'mount or make the folder again; the next write makes it where it can, and leaves our records there.',
    ENOSPC: NO_SPACE,
    EDQUOT: NO_SPACE,
  },
};
