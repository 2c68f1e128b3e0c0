"""Word lists of the offline model. All words are folded: small letters, no accents."""

from typing import Final


def vocabulary(text: str) -> frozenset[str]:
    """The words of `text`."""
    return frozenset(text.split())


def cues(text: str) -> tuple[str, ...]:
    """The phrases of `text`, which bars part."""
    return tuple(" ".join(cue.split()) for cue in text.split("|"))


def families(text: str) -> tuple[tuple[str, ...], ...]:
    """The words of each line of `text`."""
    return tuple(tuple(line.split()) for line in text.strip().splitlines())


#: Words that carry no matter of their own. Folded, not cut to roots.
FILLERS: Final = vocabulary(
    """
    a al algo alguien algun alguna ahi ahora ando aqui así asi bien buen buena buenas bueno
    buenos cada claro como con cual cuales cuando cuanta cuantas cuanto cuantos cuesta
    cuestan da dame dan de del deme desde dia dias dime disculpa disculpe donde e el ella
    ellos en entonces era eres es esa ese eso esta estan estar este esto estoy favor fue
    gracias gustaria ha hace hacen hasta hay hola ir la las le les lo los mas me mi mis
    mucho muchos muy na nada necesitamos necesito ni no nos noches o ocupo oiga oye otra
    otro para pero pienso pieza piezas poco podria podrian por porque precio precios pues
    puede pueden puedes puedo que quien quiero quiere quisiera saber sale se sea ser si sin
    sobre solo somos son soy su sus tal tambien tarde tardes te tendran tendras tener tengo
    tiene tienen tienes toda todas todo todos tu un una unas unidad unidades uno unos us
    usted ustedes va vale vamos ve venden vendes ver voy y ya yo costo cuestan manejan busco
    buscando producto productos comprar compro llevo mandame manda mandar agregale agrega
    anade ponme apartame urge mejor sean serian serian total cada uno igual tambien ademas a
    about also an and any are as at be been but buy by can cost could did do does for from
    get give good got had has have hello hey hi how i if im in is it its just let like ll
    looking me more much many my need of off ok okay on one or order our out please price s
    see sell send she should show so some sorry t thank thanks that the their them then
    there these they this to too up us want was we were what when where which who why will
    with would yes you your carry stock each pieces piece d m re ve take add
    """
)

#: What somebody wants done, and what goods come in: these name no goods.
DOINGS: Final = vocabulary(
    """
    ponle ponme quita quitale quitame cambia cambiale cambialo cambiar deja dejalo dejame
    cotiza cotizar cotizame cotizacion confirmo confirma confirmar cancela cancelar agregar
    sumale echame surteme urgente urge domicilio envio envios pedido pedir nomas porfa queda
    quedan quedaran necesitaba nesecito make change confirm cancel quote left
    """
)
CONTAINERS: Final = vocabulary(
    """
    bulto bultos saco sacos costal costales bolsa bolsas caja cajas cubeta cubetas bote botes
    rollo rollos bag bags box boxes bucket buckets roll rolls
    """
)

#: What shops sell, by its other names; every word stands for the others of its line.
THINGS: Final = families(
    """
    tubo tuberia cano pipe tubing
    pintura paint vinilica esmalte barniz pintar
    cemento cement
    arena sand
    grava gravel
    ladrillo tabique brick
    block bloque
    varilla rebar
    clavo nail
    tornillo pija screw
    tuerca nut
    martillo hammer
    taladro rotomartillo drill
    broca bit
    cable alambre wire
    foco bombilla lampara bulb
    brocha pincel brush paintbrush
    rodillo roller
    llave grifo faucet tap
    codo elbow
    pegamento adhesivo silicon sellador glue adhesive silicone pegar
    cinta tape
    sierra serrucho segueta saw
    guante glove
    escalera ladder
    cubeta bote balde bucket
    bulto saco costal bolsa bag sack
    caja box
    candado padlock
    chapa cerradura lock
    desarmador destornillador screwdriver
    pinza alicate plier
    pala shovel
    carretilla wheelbarrow
    manguera hose
    apagador interruptor switch
    contacto enchufe outlet
    impermeabilizante sealant waterproofing
    yeso plaster
    lamina sheet
    madera tabla triplay wood plywood
    taquete ancla anchor plug
    malla mesh
    tee conector coupling
    valvula valve
    bisagra hinge
    herramienta tool
    mortero mortar
    puerta door
    lija sandpaper
    azulejo tile
    """
)

#: What things are like and how they are measured, by other names.
QUALITIES: Final = families(
    """
    blanco blanca white
    negro negra black
    rojo roja red
    azul blue
    verde green
    amarillo amarilla yellow
    gris gray grey
    galon gallon
    litro liter litre
    metro meter metre
    pulgada inch
    cobre copper
    """
)

#: The same idea as a verb, a noun, in the other language: for names of intents, tools and fields.
CONCEPTS: Final = families(
    """
    precio precios cuesta cuestan costo vale sale price cost
    pago pagos pagar pay payment cobro cobrar charge
    factura facturar facturacion invoice billing
    pedido pedidos orden ordenar pedir encargo order orders compra comprar buy purchase
    entrega entregar envio enviar mandar delivery deliver shipping ship
    horario hora horas abren cierran abierto hours open close schedule
    ubicacion direccion donde ubicados address location where
    existencia existencias stock inventario disponible disponibilidad hay inventory available
    buscar busca busco busqueda search find lookup encontrar tienen have
    catalogo producto productos catalog catalogue product products articulo item items
    crear crea nuevo nueva hacer create new make place
    cancelar cancela cancel
    estado seguimiento rastrear status track tracking
    cotizar cotizacion quote estimate
    persona humano asesor human person agent
    queja reclamo complaint complain
    saludo saludar hola greeting hello hi
    devolver devolucion reembolso refund return
    clima tiempo weather
    cita citas agendar reservar appointment booking book schedule
    calcular calcula calculate sumar suma add total
    link liga enlace url
    urgente urgent prioridad priority
    """
)
