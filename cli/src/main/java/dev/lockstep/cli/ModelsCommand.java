package dev.lockstep.cli;

import dev.lockstep.cluster.ExitCode;
import dev.lockstep.cluster.Settings;
import dev.lockstep.cluster.SettingsSpec;
import java.util.List;

/// Lists the models known by name, and which of them are on this machine.
final class ModelsCommand implements Command {
    private static final SettingsSpec SPEC = SettingsSpec.of();

    @Override
    public String name() {
        return "models";
    }

    @Override
    public String summary() {
        return "list the models known by name";
    }

    @Override
    public String help() {
        return "Usage: lockstep models\n\n" + SPEC.help();
    }

    @Override
    public int run(List<String> arguments) {
        Settings.parse(SPEC, arguments, System.getenv());
        ModelCache cache = ModelCache.ofUser(System.getenv(), Terminal.standardError());
        for (KnownModel model : KnownModel.ALL) {
            String place =
                    cache.has(model)
                            ? cache.path(model).toString()
                            : "not fetched yet, " + Terminal.bytes(model.bytes());
            System.out.printf("%-24s %s (%s)%n", model.name(), model.about(), place);
        }
        return ExitCode.OK;
    }
}
