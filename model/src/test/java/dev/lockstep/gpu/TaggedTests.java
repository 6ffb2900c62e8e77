// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.gpu;

import static org.junit.platform.engine.discovery.ClassNameFilter.includeClassNamePatterns;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClass;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClasspathRoots;
import static org.junit.platform.launcher.TagFilter.excludeTags;
import static org.junit.platform.launcher.TagFilter.includeTags;

import java.io.File;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.platform.engine.FilterResult;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.support.descriptor.ClassSource;
import org.junit.platform.engine.support.descriptor.MethodSource;
import org.junit.platform.launcher.LauncherDiscoveryRequest;
import org.junit.platform.launcher.PostDiscoveryFilter;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.TestPlan;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;

/// Lists or runs the tests with the tag `gpu` and prints a line for each. Tests with the tag
/// `ranks` need several ranks and run apart from the others.
final class TaggedTests implements TestExecutionListener {
    static final String ALONE = "alone";
    static final String RANKS = "ranks";

    private TestPlan plan;
    private long startedNanos;

    private TaggedTests(TestPlan plan) {
        this.plan = plan;
    }

    /// Lists the classes of all tests, or runs one.
    ///
    /// @param arguments a pattern in `Class#method` of the tests; to run a class, also `alone` or
    ///   `ranks` and its name
    public static void main(String[] arguments) throws ClassNotFoundException {
        Pattern only = Pattern.compile(arguments[0]);
        if (arguments.length == 1) {
            list(ALONE, only);
            list(RANKS, only);
        } else {
            Class<?> tests = Class.forName(arguments[2]);
            run(request(arguments[1], only).selectors(selectClass(tests)).build());
        }
    }

    private static LauncherDiscoveryRequestBuilder request(String kind, Pattern only) {
        PostDiscoveryFilter matches =
                test ->
                        FilterResult.includedIf(
                                test.getSource()
                                        .filter(MethodSource.class::isInstance)
                                        .map(MethodSource.class::cast)
                                        .map(TaggedTests::name)
                                        .map(name -> only.matcher(name).find())
                                        .orElse(true));
        return LauncherDiscoveryRequestBuilder.request()
                .filters(includeTags("gpu"), matches)
                .filters(kind.equals(RANKS) ? includeTags(RANKS) : excludeTags(RANKS));
    }

    private static String name(MethodSource test) {
        String simple = test.getClassName().substring(test.getClassName().lastIndexOf('.') + 1);
        return simple + "#" + test.getMethodName();
    }

    private static void list(String kind, Pattern only) {
        LauncherDiscoveryRequestBuilder request = request(kind, only);
        String roots = System.getProperty("java.class.path");
        TestPlan plan =
                LauncherFactory.create()
                        .discover(
                                request.selectors(
                                                selectClasspathRoots(
                                                        Arrays.stream(
                                                                        roots.split(
                                                                                File.pathSeparator))
                                                                .map(Path::of)
                                                                .collect(Collectors.toSet())))
                                        .filters(
                                                includeClassNamePatterns("dev\\.lockstep\\..*Test"))
                                        .build());
        var classes = new TreeSet<String>();
        for (TestIdentifier root : plan.getRoots()) {
            for (TestIdentifier each : plan.getDescendants(root)) {
                each.getSource()
                        .filter(ClassSource.class::isInstance)
                        .map(source -> ((ClassSource) source).getClassName())
                        .ifPresent(classes::add);
            }
        }
        classes.forEach(name -> System.out.println(Line.of(Line.Kind.CLASS, name, kind)));
    }

    private static void run(LauncherDiscoveryRequest request) {
        TestPlan plan = LauncherFactory.create().discover(request);
        LauncherFactory.create().execute(request, new TaggedTests(plan));
        System.exit(0);
    }

    @Override
    public void testPlanExecutionStarted(TestPlan executed) {
        plan = executed;
    }

    @Override
    public void executionStarted(TestIdentifier test) {
        if (test.isTest()) {
            startedNanos = System.nanoTime();
            print(Line.Kind.STARTED, test, "");
        }
    }

    @Override
    public void executionSkipped(TestIdentifier test, String reason) {
        print(Line.Kind.SKIPPED, test, reason);
    }

    @Override
    public void executionFinished(TestIdentifier test, TestExecutionResult result) {
        String millis = Long.toString((System.nanoTime() - startedNanos) / 1_000_000);
        String reason = result.getThrowable().map(Throwable::toString).orElse("");
        switch (result.getStatus()) {
            case SUCCESSFUL -> {
                if (test.isTest()) {
                    print(Line.Kind.PASSED, test, millis);
                }
            }
            // A class whose first method aborts or fails has no tests of its own.
            case ABORTED ->
                    print(
                            Line.Kind.SKIPPED,
                            test,
                            result.getThrowable().map(Throwable::getMessage).orElse(""));
            case FAILED -> {
                result.getThrowable().ifPresent(Throwable::printStackTrace);
                print(Line.Kind.FAILED, test, reason);
            }
        }
    }

    private void print(Line.Kind kind, TestIdentifier test, String text) {
        String parent =
                plan.getParent(test)
                        .filter(each -> each.getSource().isPresent())
                        .filter(each -> !(each.getSource().get() instanceof ClassSource))
                        .map(each -> each.getDisplayName().replaceFirst("\\(.*", "") + " ")
                        .orElse("");
        System.out.println(Line.of(kind, parent + test.getDisplayName(), text));
        System.out.flush();
    }
}
