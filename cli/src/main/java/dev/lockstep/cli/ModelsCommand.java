package dev.lockstep.cli;

import dev.lockstep.cluster.ExitCode;
import dev.lockstep.cluster.Key;
import dev.lockstep.cluster.Settings;
import dev.lockstep.cluster.SettingsSpec;
import java.util.List;

/// Lists the models known by name, and which of them are on this machine.
final class ModelsCommand implements Command {
    private static final Key<String> FETCH =
            Key.text(
                    "fetch",
                    "NAME",
                    "fetch this model, known or org/name of a hub, as serve would");

    private static final SettingsSpec SPEC = SettingsSpec.of(FETCH);

    @Override
    public String name() {
        return "models";
    }

    @Override
    public String summary() {
        return "list the models known by name, or fetch one";
    }

    @Override
    public String help() {
        return "Usage: lockstep models\n\n" + SPEC.help();
    }

    @Override
    public int run(List<String> arguments) throws InterruptedException {
        Settings settings = Settings.parse(SPEC, arguments, System.getenv());
        Terminal terminal = Terminal.standardError();
        if (settings.isGiven(FETCH)) {
            System.out.println(
                    ModelChoice.ofUser("--fetch", settings.value(FETCH), terminal).path());
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
        return ExitCode.OK;
    }
}
