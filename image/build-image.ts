import { mkdir, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { Type } from "typebox";
import { Value } from "typebox/value";
import { commitImage } from "./commit-image.ts";
import { COMPILE_CACHE, fillRoot, IMAGE_USER } from "./fill-root.ts";

/* `npm run image`: everything that Meridian runs in one image, made on this machine, without a base image, a daemon or a registry. */

const REPOSITORY = resolve(import.meta.dirname, "..");
const { version } = Value.Parse(
  Type.Object({ version: Type.String() }),
  JSON.parse(await readFile(join(REPOSITORY, "package.json"), "utf8")),
);
const DEFAULT_NAME = `meridian.local/meridian:${version}`;
const DEFAULT_FILE = join(REPOSITORY, ".engines", "images", "meridian.tar");

const HELP = `Makes an image of Meridian, as root, with buildah (\`npm run engines -- kubernetes\` installs it), out of this machine's Node, its libraries,
the packages that are installed and, where there is one, the system's Python. containerd, Docker, Podman and kind load the file.

  npm run image [-- --name NAME:TAG] [--file FILE.tar]

  --name NAME:TAG   default ${DEFAULT_NAME}
  --file FILE.tar   default .engines/images/meridian.tar, which \`npm run clusters -- up\` loads

In it, the program is the argument: gateway/main.ts, federator/main.ts, agents/main.ts, cli/meridian.ts.

Examples:
  npm run image
  npm run clusters -- load .engines/images/meridian.tar
`;

const PROGRAM_FOLDER = "/opt/meridian";
const STATE_FOLDER = "/var/lib/meridian";

try {
  await buildImage();
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`error: ${message}\n`);
  process.exitCode = error instanceof TypeError ? 2 : 1;
}

async function buildImage(): Promise<void> {
  const { values } = parseArgs({
    options: {
      name: { type: "string", default: DEFAULT_NAME },
      file: { type: "string", default: DEFAULT_FILE },
      help: { type: "boolean" },
    },
  });
  if (values.help === true) return void process.stdout.write(HELP);
  const file = resolve(values.file);
  await mkdir(join(file, ".."), { recursive: true });
  const root = await mkdtemp(`${file}-`);
  try {
    const python = await fillRoot({ root, repository: REPOSITORY, programFolder: PROGRAM_FOLDER });
    const state = join(root, "empty");
    await mkdir(state);
    await commitImage({
      name: values.name,
      file,
      command: ["/usr/local/bin/node"],
      content: [
        { from: join(root, "files"), to: "/" },
        { from: state, to: STATE_FOLDER, owner: IMAGE_USER },
      ],
      settings: [
        ["--cmd", "cli/meridian.ts --help"],
        ["--workingdir", PROGRAM_FOLDER],
        ["--user", IMAGE_USER],
        ["--env", "PATH=/usr/local/bin:/usr/bin"],
        ["--env", "NODE_ENV=production"],
        ["--env", `NODE_COMPILE_CACHE=${PROGRAM_FOLDER}/${COMPILE_CACHE}`],
        ["--label", "org.opencontainers.image.title=meridian"],
        ["--label", `org.opencontainers.image.version=${version}`],
        ["--label", "org.opencontainers.image.licenses=Apache-2.0"],
      ].flat(),
    });
    const megabytes = Math.round((await stat(file)).size / 1_000_000);
    process.stdout.write(`${values.name}  ${file}  ${megabytes} MB, ${python}\n`);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}
