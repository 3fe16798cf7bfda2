import type { Command } from 'commander';

/** `help`, which refuses what the command line itself does, in the same words. */
export function addHelp(program: Command): Command {
  return program
    .command('help')
    .description("print a command's help")
    .argument('[command]', 'its name')
    .action(async (name?: string) => {
      const command = name === undefined ? program : program.commands.find((one) => one.name() === name);
      if (command) command.help();
      else await program.parseAsync([name!], { from: 'user' });
    });
}
