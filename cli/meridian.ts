console.log(process.argv.slice(2), process.cwd(), process.execPath, process.version)
