// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import dev.lockstep.cli.console.Terminal;
import dev.lockstep.cli.hub.KnownModel;
import dev.lockstep.cli.hub.ModelCache;
import dev.lockstep.cli.hub.ModelChoice;
import dev.lockstep.cluster.process.ExitCode;
import dev.lockstep.cluster.process.Key;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsSpec;
import dev.lockstep.kernels.cpu.PackedFolder;
import dev.lockstep.worker.CacheFolders;
import java.util.List;

/// Lists the models known by name, whether each is on this machine, and the packed weights of
/// models that were served on it.
final class ModelsCommand extends Command {
    private static final Key<String> FETCH =
            Key.text(
                    "fetch",
                    "NAME",
                    "fetch this model, a known name or org/name of a hub, as serve does");

    private static final Key<String> REMOVE_PACKED =
            Key.text(
                    "remove-packed",
                    "NAME|all",
                    "remove the packed weights that workers keep: of a model, one file, or all");

    private static final SettingsSpec SPEC = SettingsSpec.of(FETCH, REMOVE_PACKED);

    ModelsCommand() {
        super(
                "models",
                "",
                "list the models known by name and the packed weights, or fetch or remove some",
                SPEC);
    }

    @Override
    int run(List<String> arguments) throws InterruptedException {
        Settings settings = settings(arguments);
        Terminal terminal = Terminal.standardError();
        if (settings.isGiven(FETCH)) {
            System.out.println(
                    ModelChoice.ofUser("--fetch", settings.value(FETCH), terminal).path());
            return ExitCode.OK;
        }
        var packed =
                new PackedListing(
                        new PackedFolder(CacheFolders.ofUser(System.getenv()).packed()),
                        System.out);
        if (settings.isGiven(REMOVE_PACKED)) {
            packed.remove(settings.value(REMOVE_PACKED));
            return ExitCode.OK;
        }
        ModelCache cache = ModelCache.ofUser(System.getenv(), terminal);
        for (KnownModel model : KnownModel.ALL) {
            String place =
                    cache.has(model)
                            ? cache.path(model).toString()
                            : "not fetched yet, " + Terminal.bytes(model.bytes());
            System.out.printf("%-24s %s (%s)%n", model.name(), model.about(), place);
        }
        packed.print();
        return ExitCode.OK;
    }
}
