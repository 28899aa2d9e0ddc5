import { mkdtemp, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { runCommand } from "./run-command.ts";

export interface ImagePlan {
  readonly name: string;
  /** Replaced when the image is whole. */
  readonly file: string;
  readonly content: readonly ImageContent[];
  readonly command: readonly string[];
  /** Further settings, as buildah's config takes them. */
  readonly settings?: readonly string[];
}

interface ImageContent {
  readonly from: string;
  readonly to: string;
  /** USER:GROUP, root's where it is absent. */
  readonly owner?: string;
}

/** An image out of nothing but these files, as an archive that containerd, Docker and Podman load; no daemon, no registry. */
export async function commitImage(plan: ImagePlan): Promise<void> {
  const { name, file, content, command, settings = [] } = plan;
  // Beside the file, as it holds as much as the image.
  const scratch = await mkdtemp(join(dirname(file), "storage-"));
  const own = ["--root", join(scratch, "root"), "--runroot", join(scratch, "run")];
  const buildah = (...argv: readonly string[]): Promise<string> =>
    runCommand("buildah", [...own, "--storage-driver", "vfs", ...argv]);
  try {
    const container = (await buildah("from", "scratch")).trim();
    for (const { from, to, owner = "0:0" } of content)
      await buildah("copy", "--quiet", "--chown", owner, container, from, to);
    const start = ["--entrypoint", JSON.stringify(command)];
    // The same content at another time is the same image.
    const fixed = ["--timestamp", "0", "--quiet"];
    await buildah("config", ...start, ...settings, container);
    const partial = join(scratch, "image.tar");
    await buildah("commit", ...fixed, container, `docker-archive:${partial}:${name}`);
    await rename(partial, file);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
