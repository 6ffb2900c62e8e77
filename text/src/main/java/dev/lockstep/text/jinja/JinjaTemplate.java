// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import java.time.Clock;
import java.time.LocalDateTime;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// A parsed template; immutable, so any number of threads may render it at once.
public final class JinjaTemplate {
    private final List<Node> nodes;
    private final RenderLimits limits;

    private JinjaTemplate(List<Node> nodes, RenderLimits limits) {
        this.nodes = nodes;
        this.limits = limits;
    }

    /// Parses a template; throws [TemplateException] if the source is not a template or exceeds the
    /// limits.
    public static JinjaTemplate parse(String source, RenderLimits limits) {
        if (source.length() > limits.templateCharacters()) {
            throw new TemplateException(
                    "template of "
                            + source.length()
                            + " characters exceeds "
                            + limits.templateCharacters(),
                    0);
        }
        return new JinjaTemplate(TemplateParser.parse(source), limits);
    }

    /// Renders the template with plain values: text, numbers, booleans, null, lists and maps of
    /// these.
    ///
    /// Only `strftime_now` reads the clock. Throws [TemplateException] if the template fails,
    /// refuses its input or exceeds its limits.
    public String render(Map<String, ? extends @Nullable Object> variables, Clock clock) {
        var budget = new Budget(limits);
        Scope globals = Scope.root();
        new Globals(budget, () -> LocalDateTime.now(clock)).define(globals);
        Scope scope = globals.inner();
        variables.forEach((name, value) -> scope.assign(name, Values.from(value, budget)));
        return new Interpreter(budget).render(nodes, scope);
    }
}
