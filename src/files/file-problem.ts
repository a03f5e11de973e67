/** The error of the file system, in words that name the file and what can be done. */

import { isPersonaError, PersonaError } from '../errors.ts';

const REASONS: Record<string, [reason: string, remedy?: string]> = {
  ENOENT: ['there is no such file', 'Check the path.'],
  ENOTDIR: ['a part of its path is a file, not a folder', 'Check the path.'],
  EISDIR: ['it is a folder', 'Name a file.'],
  EACCES: ['permission denied', 'Choose another path, or change the permissions.'],
  EPERM: ['not permitted', 'Choose another path, or change the permissions.'],
  EROFS: ['the disk is read-only', 'Choose a path on another disk.'],
  ENOSPC: ['the disk is full', 'Free some space, then run the same command again.'],
  EDQUOT: ['the disk quota is used up', 'Free some space, then run the same command again.'],
  EMFILE: ['too many files are open', 'Raise the limit (ulimit -n).'],
  ENAMETOOLONG: ['its name is too long', 'Choose a shorter name.'],
};

/** Our own errors pass unchanged. */
export function fileProblem(doing: 'read' | 'write', path: string, error: unknown): PersonaError {
  if (isPersonaError(error)) return error;
  const code = (error as NodeJS.ErrnoException).code ?? '';
  const [reason, remedy] = REASONS[code] ?? [error instanceof Error ? error.message : String(error)];
  return new PersonaError(
    code === 'ENOENT' ? 'NOT_FOUND' : 'BAD_FILE',
    `cannot ${doing} ${path}: ${reason}`,
    {
      ...(remedy === undefined ? {} : { remedy }),
      cause: error,
    },
  );
}
