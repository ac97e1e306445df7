import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.eclipse.californium.elements.config.Configuration;
import org.eclipse.californium.scandium.config.DtlsConfig;
import org.eclipse.californium.scandium.dtls.cipher.CipherSuite;
import org.eclipse.leshan.client.LeshanClient;
import org.eclipse.leshan.client.LeshanClientBuilder;
import org.eclipse.leshan.client.californium.endpoint.CaliforniumClientEndpointsProvider;
import org.eclipse.leshan.client.californium.endpoint.coap.CoapClientProtocolProvider;
import org.eclipse.leshan.client.californium.endpoint.coaps.CoapsClientProtocolProvider;
import org.eclipse.leshan.client.endpoint.LwM2mClientEndpointsProvider;
import org.eclipse.leshan.client.engine.DefaultRegistrationEngineFactory;
import org.eclipse.leshan.client.object.Security;
import org.eclipse.leshan.client.object.Server;
import org.eclipse.leshan.client.observer.LwM2mClientObserverAdapter;
import org.eclipse.leshan.client.resource.LwM2mInstanceEnabler;
import org.eclipse.leshan.client.resource.ObjectsInitializer;
import org.eclipse.leshan.client.resource.SimpleInstanceEnabler;
import org.eclipse.leshan.client.servers.LwM2mServer;
import org.eclipse.leshan.core.ResponseCode;
import org.eclipse.leshan.core.model.ObjectModel;
import org.eclipse.leshan.core.model.ResourceModel;
import org.eclipse.leshan.core.model.StaticModel;
import org.eclipse.leshan.core.node.LwM2mResource;
import org.eclipse.leshan.core.node.LwM2mSingleResource;
import org.eclipse.leshan.core.request.BindingMode;
import org.eclipse.leshan.core.request.BootstrapRequest;
import org.eclipse.leshan.core.request.ContentFormat;
import org.eclipse.leshan.core.request.DeregisterRequest;
import org.eclipse.leshan.core.request.RegisterRequest;
import org.eclipse.leshan.core.request.UpdateRequest;
import org.eclipse.leshan.core.request.argument.Argument;
import org.eclipse.leshan.core.request.argument.Arguments;
import org.eclipse.leshan.core.response.ExecuteResponse;
import org.eclipse.leshan.core.response.WriteResponse;
import org.eclipse.leshan.core.util.Hex;

/**
 * A device on Eclipse Leshan's client library. Arguments: endpoint, server URI, lifetime, directory of object models,
 * then any of "queue", "bootstrap", "psk=IDENTITY:KEY", "rpk=PUBLIC:PRIVATE:SERVER" (DER; all keys in hexadecimal),
 * "cid=BYTES", the length of the connection id that it wants, "suite=NAME", and "software", an object 9 to deliver
 * packages with. It tells what happens to it on standard output and takes commands on standard input, both as lines of
 * JSON.
 */
public final class Device {
    static final int TEST_OBJECT = 32770;
    static final int EXECUTABLE = 20;

    /** An instance of the object that has a resource of every type. */
    public static class TestInstance extends SimpleInstanceEnabler {
        public TestInstance() {
        }

        TestInstance(int id, Map<Integer, Object> values) {
            super(id, values);
        }

        @Override
        public WriteResponse write(LwM2mServer server, boolean replace, int resourceId, LwM2mResource value) {
            WriteResponse answer = super.write(server, replace, resourceId, value);
            Peer.tell("written", "path", "/" + TEST_OBJECT + "/" + getId() + "/" + resourceId, "replace", replace,
                    "values", Peer.values("", value));
            return answer;
        }

        @Override
        public ExecuteResponse execute(LwM2mServer server, int resourceId, Arguments arguments) {
            if (resourceId != EXECUTABLE) {
                return super.execute(server, resourceId, arguments);
            }
            Map<String, String> given = new LinkedHashMap<>();
            for (Argument argument : arguments) {
                given.put(String.valueOf(argument.getDigit()), argument.getValue());
            }
            Peer.tell("executed", "path", "/" + TEST_OBJECT + "/" + getId() + "/" + resourceId, "arguments", given);
            return ExecuteResponse.success();
        }

        void set(int resourceId, Object value, ResourceModel.Type type) {
            super.write(LwM2mServer.SYSTEM, true, resourceId, LwM2mSingleResource.newResource(resourceId, value, type));
        }
    }

    public static void main(String[] arguments) throws Exception {
        String endpoint = arguments[0];
        String uri = arguments[1];
        long lifetime = Long.parseLong(arguments[2]);
        List<ObjectModel> models = Peer.models(arguments[3]);
        List<String> options = List.of(arguments).subList(4, arguments.length);

        ObjectModel testModel = new StaticModel(models).getObjectModel(TEST_OBJECT);
        TestInstance test = new TestInstance(0, initialValues());
        ObjectsInitializer initializer = new ObjectsInitializer(new StaticModel(models));
        String[] psk = parts(options, "psk");
        String[] rpk = parts(options, "rpk");
        if (rpk != null) {
            initializer.setInstancesForObject(0, Security.rpk(uri, 1, bytes(rpk[0]), bytes(rpk[1]), bytes(rpk[2])));
            initializer.setInstancesForObject(1, new Server(1, lifetime, EnumSet.of(BindingMode.U), false, BindingMode.U));
        } else if (psk != null) {
            byte[] identity = psk[0].getBytes(StandardCharsets.UTF_8);
            initializer.setInstancesForObject(0, Security.psk(uri, 1, identity, bytes(psk[1])));
            initializer.setInstancesForObject(1, new Server(1, lifetime, EnumSet.of(BindingMode.U), false, BindingMode.U));
        } else if (options.contains("bootstrap")) {
            initializer.setInstancesForObject(0, Security.noSecBootstrap(uri));
            initializer.setClassForObject(1, Server.class);
        } else {
            initializer.setInstancesForObject(0, Security.noSec(uri, 1));
            initializer.setInstancesForObject(1, new Server(1, lifetime, EnumSet.of(BindingMode.U), false, BindingMode.U));
        }
        initializer.setInstancesForObject(3, new SimpleInstanceEnabler(0, deviceValues()));
        initializer.setClassForObject(TEST_OBJECT, TestInstance.class);
        initializer.setInstancesForObject(TEST_OBJECT, new LwM2mInstanceEnabler[] { test });
        if (options.contains("software")) {
            initializer.setInstancesForObject(Software.OBJECT, new Software());
        }

        DefaultRegistrationEngineFactory engine = new DefaultRegistrationEngineFactory();
        engine.setQueueMode(options.contains("queue"));
        LeshanClientBuilder builder = new LeshanClientBuilder(endpoint);
        builder.setObjects(initializer.createAll());
        builder.setRegistrationEngineFactory(engine);
        builder.setEndpointsProviders(endpoints(options));
        LeshanClient client = builder.build();
        client.addObserver(new Telling());
        client.start();

        Peer.listen(asked -> {
            int number = asked.path("number").asInt();
            switch (asked.get("do").asText()) {
            case "set":
                int resource = asked.get("resource").asInt();
                ResourceModel.Type type = testModel.resources.get(resource).type;
                test.set(resource, Peer.typed(asked.get("value"), type), type);
                Peer.tell("answer", "number", number);
                break;
            case "send":
                List<String> paths = new ArrayList<>();
                asked.get("paths").forEach(path -> paths.add(path.asText()));
                LwM2mServer server = client.getRegisteredServers().values().iterator().next();
                ContentFormat format = ContentFormat.fromCode(asked.get("format").asInt());
                ResponseCode code = client.getSendService().sendData(server, format, paths, 5000).getCode();
                Peer.tell("answer", "number", number, "code", code.getCode());
                break;
            case "update":
                client.triggerRegistrationUpdate();
                Peer.tell("answer", "number", number);
                break;
            case "leave":
                client.destroy(true);
                Peer.tell("answer", "number", number);
                System.exit(0);
                break;
            default:
                throw new IllegalArgumentException(asked.toString());
            }
        });
        System.exit(0);
    }

    private static LwM2mClientEndpointsProvider endpoints(List<String> options) {
        CaliforniumClientEndpointsProvider.Builder builder = new CaliforniumClientEndpointsProvider.Builder(
                new CoapClientProtocolProvider(), new CoapsClientProtocolProvider());
        Configuration configuration = builder.createDefaultConfiguration();
        String[] cid = parts(options, "cid");
        if (cid != null) {
            configuration.set(DtlsConfig.DTLS_CONNECTION_ID_LENGTH, Integer.valueOf(cid[0]));
        }
        String[] suite = parts(options, "suite");
        if (suite != null) {
            configuration.set(DtlsConfig.DTLS_RECOMMENDED_CIPHER_SUITES_ONLY, false);
            configuration.set(DtlsConfig.DTLS_CIPHER_SUITES, List.of(CipherSuite.getTypeByName(suite[0])));
        }
        builder.setConfiguration(configuration);
        return builder.build();
    }

    private static String[] parts(List<String> options, String name) {
        return options.stream().filter(option -> option.startsWith(name + "=")).findFirst()
                .map(option -> option.substring(name.length() + 1).split(":")).orElse(null);
    }

    private static byte[] bytes(String text) {
        return Hex.decodeHex(text.toCharArray());
    }

    private static Map<Integer, Object> initialValues() {
        Map<Integer, Object> values = new LinkedHashMap<>();
        values.put(0, "Grüße");
        values.put(1, -42L);
        values.put(2, 3.25d);
        values.put(3, true);
        values.put(4, new byte[] { 0, 1, (byte) 0xFE, (byte) 0xFF });
        values.put(5, new java.util.Date(1700000000000L));
        values.put(6, new org.eclipse.leshan.core.node.ObjectLink(3, 0));
        values.put(7, org.eclipse.leshan.core.util.datatype.ULong.valueOf(4294967296L));
        values.put(10, Map.of(0, "zero", 3, "three"));
        values.put(11, Map.of(1, 100L));
        return values;
    }

    private static Map<Integer, Object> deviceValues() {
        Map<Integer, Object> values = new LinkedHashMap<>();
        values.put(0, "Eclipse Leshan");
        values.put(1, "library");
        values.put(11, Map.of(0, 0L));
        values.put(13, new java.util.Date(1700000000000L));
        values.put(14, "+01");
        values.put(15, "Europe/Stockholm");
        values.put(16, "U");
        return values;
    }

    private static final class Telling extends LwM2mClientObserverAdapter {
        @Override
        public void onBootstrapSuccess(LwM2mServer server, BootstrapRequest request) {
            Peer.tell("bootstrapped");
        }

        @Override
        public void onBootstrapFailure(LwM2mServer server, BootstrapRequest request, ResponseCode code, String message,
                Exception cause) {
            Peer.tell("bootstrap failed", "code", code == null ? null : code.getCode(), "message", message);
        }

        @Override
        public void onRegistrationSuccess(LwM2mServer server, RegisterRequest request, String location) {
            Peer.tell("registered", "location", location);
        }

        @Override
        public void onRegistrationFailure(LwM2mServer server, RegisterRequest request, ResponseCode code,
                String message, Exception cause) {
            Peer.tell("registration failed", "code", code == null ? null : code.getCode(), "message", message);
        }

        @Override
        public void onUpdateSuccess(LwM2mServer server, UpdateRequest request) {
            Peer.tell("updated");
        }

        @Override
        public void onDeregistrationSuccess(LwM2mServer server, DeregisterRequest request) {
            Peer.tell("deregistered");
        }
    }

    private Device() {
    }
}
