package dev.lockstep.cli;

import dev.lockstep.cluster.ExitCode;
import dev.lockstep.cluster.Key;
import dev.lockstep.cluster.Settings;
import dev.lockstep.cluster.SettingsException;
import dev.lockstep.cluster.SettingsSpec;
import java.util.List;

/// Lists the models known by name, and which of them are on this machine.
final class ModelsCommand implements Command {
    private static final Key<String> FETCH =
            Key.text("fetch", "NAME", "fetch this model now, as serve does at its first use");

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
        ModelCache cache = ModelCache.ofUser(System.getenv(), Terminal.standardError());
        if (settings.isGiven(FETCH)) {
            String name = settings.value(FETCH);
            KnownModel model =
                    KnownModel.find(name)
                            .orElseThrow(
                                    () ->
                                            new SettingsException(
                                                    "--fetch: %s is not a known name; known are %s"
                                                            .formatted(name, KnownModel.names())));
            System.out.println(cache.fetch(model));
            return ExitCode.OK;
        }
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
