// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

/// The maximum cost of one template before it is refused.
///
/// A step is an evaluated part of the template, an element touched or 32 characters copied; 5
/// million take a few tenths of a second. Nesting counts the template's own blocks and brackets and
/// the data it traverses. A level takes at most 1.5 KB of stack and a call 2 KB more, interpreted
/// or compiled by any compiler of the JVM, so that half of the default stack holds both limits.
public record RenderLimits(
        int templateCharacters,
        long steps,
        int outputCharacters,
        int items,
        int callDepth,
        int nesting) {

    public static final RenderLimits DEFAULT =
            new RenderLimits(65_536, 5_000_000, 4 << 20, 100_000, 64, 250);

    public RenderLimits {
        requirePositive("templateCharacters", templateCharacters);
        requirePositive("steps", steps);
        requirePositive("outputCharacters", outputCharacters);
        requirePositive("items", items);
        requirePositive("callDepth", callDepth);
        requirePositive("nesting", nesting);
    }

    public RenderLimits withSteps(long limit) {
        return new RenderLimits(
                templateCharacters, limit, outputCharacters, items, callDepth, nesting);
    }

    public RenderLimits withOutputCharacters(int limit) {
        return new RenderLimits(templateCharacters, steps, limit, items, callDepth, nesting);
    }

    private static void requirePositive(String name, long value) {
        if (value < 1) {
            throw new IllegalArgumentException(name + " is " + value + ", must be at least 1");
        }
    }
}
