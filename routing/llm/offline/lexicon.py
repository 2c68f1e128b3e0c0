"""What people ask a shop for, in Spanish and English: the words that give it away.

Cues are folded; the last word of each is a prefix. Labels are how a description of an agent, a tool
or a fact speaks of the same matter. Seeds are whole utterances, compared by letter groups.
"""

from dataclasses import dataclass
from typing import Final

from routing.llm.offline.vocabulary import cues


@dataclass(frozen=True, slots=True)
class Intent:
    """A matter with the cues of messages and the labels of whoever deals with it."""

    name: str
    cues: tuple[str, ...]
    weak_cues: tuple[str, ...]
    labels: tuple[str, ...]
    seeds: tuple[str, ...]


GREETING: Final = Intent(
    name="greeting",
    cues=cues(
        """
        en que me puedes | en que puedes ayud | que puedes hacer | que sabes hacer |
        como funciona esto | what can you do | how does this work | who are you | quien eres
        """
    ),
    weak_cues=cues(
        """
        hola | buenas | buenos dias | buen dia | que tal | saludos | gracias | adios |
        hasta luego | nos vemos | hi | hello | hey | good morning | good afternoon |
        good evening | thank | bye | ayuda | help | muy amable
        """
    ),
    labels=cues(
        """
        salud | bienven | greet | welcom | recep | general | charla | small talk
        """
    ),
    seeds=(
        "hola, buen día",
        "buenas noches, ¿hay alguien?",
        "muchas gracias por todo",
        "hello, anybody there?",
        "¿con quién hablo?",
    ),
)
INFORMATION: Final = Intent(
    name="information",
    cues=cues(
        """
        horario | a que hora | que horas | abren | abierto | cierran | cierra | cerrado |
        ubicad | ubicacion | donde estan | donde queda | donde quedan | donde se encuentran |
        como llego | sucursal | telefono | whatsapp | correo electronico | estaciona |
        contrata | vacante | empleo | festivo | quien es el dueno | opening hours | what time |
        you open | you close | hours | located | location | where are you | address | parking |
        branch | phone number | hiring
        """
    ),
    weak_cues=cues(
        """
        direccion | domingo | sabado | lunes | semana | trabajo | trabajan | tienda | local |
        sunday | saturday | monday | store | open | close | banos | wifi
        """
    ),
    labels=cues(
        """
        horari | hour | ubic | locat | direcc | address | inform | pregunt | question | faq |
        recep | general | reception | front desk
        """
    ),
    seeds=(
        "¿hasta qué hora atienden entre semana?",
        "¿en qué calle queda la tienda?",
        "are you open on holidays?",
        "¿tienen otra sucursal más cerca?",
        "how do I get to the shop?",
    ),
)
HUMAN: Final = Intent(
    name="human",
    cues=cues(
        """
        hablar con | hable con | humano | asesor | agente | encargad | gerente | supervisor |
        ejecutiv | operador | queja | quejar | reclam | mal servicio | mala atencion | trato |
        groser | comunicame | pasame con | human | representative | manager | complain |
        speak to | talk to | real person | someone | rude
        """
    ),
    weak_cues=cues("persona | alguien | person | atencion | problema | problem"),
    labels=cues(
        """
        human | person | asesor | queja | complain | soporte | support | atencion | otro |
        other | demas | everything else | recep | general | deriv | escal
        """
    ),
    seeds=(
        "quiero que me atienda alguien de verdad",
        "me atendieron muy mal",
        "can I speak with the owner?",
        "esto no me sirve, páseme a un vendedor",
    ),
)
PRODUCT: Final = Intent(
    name="product",
    cues=cues(
        """
        cuanto cuesta | cuanto vale | cuanto sale | cuanto esta | cuanto es | cuanto por |
        precio | costo | venden | vendes | manejan | maneja | existencia | disponib | en stock |
        catalogo | lista de precios | busco | buscando | busca | medida | medidas | tamano |
        marca | modelo | recomiend | recomendar | sirve para | diferencia | caracter |
        ficha tecnica | les queda | muestra | ensena | que productos | como se llama |
        how much | price | cost of | do you carry | do you sell | you got | in stock |
        available | catalog | product | looking for | recommend | show me | difference between |
        which one
        """
    ),
    weak_cues=cues(
        """
        hay | tienen | tienes | tendran | traen | do you have | queda | colores | color |
        material | calidad | oferta | promocion | descuento | rinde | resiste | aguanta |
        sirve | exteriores | interiores | material | cual | which | sizes | discount | any |
        para que
        """
    ),
    labels=cues(
        """
        catalog | product | preci | existenc | inventari | stock | articul | busca | buscar |
        item | disponib | availab | price | search
        """
    ),
    seeds=(
        "¿qué marcas de taladro venden?",
        "me puedes decir el precio del saco",
        "quiero saber si hay lámina en existencia",
        "¿con qué puedo tapar una gotera?",
        "what kinds of nails are there?",
        "cuáles son los más baratos",
    ),
)
ORDER: Final = Intent(
    name="order",
    cues=cues(
        """
        pedido | pedir | orden | ordene | encarg | comprar | compro | compra | compre |
        me llevo | llevar | apart | mandame | mandalo | mandalos | envialo | mandenlo | manden |
        mandenme | envia | enviar | envien | agrega | anade | anadir | sumale | quita | cotiza |
        cancela | confirm | entrega | entregan | rastre | me traen | me lo traen | traerme |
        me mandaron | me entregaron | ponle | echame | reserv | seguimiento | a domicilio |
        mi envio | surte | resurt | paquete | ponme | dame | deme | order | buy | purchase |
        deliver | ship | track | add | cancel | reserve | quote | send me | i'll take |
        i ll take | my package
        """
    ),
    weak_cues=cues(
        """
        necesito | quiero | quisiera | ocupo | me urge | llega | llego | salio | cuando llega |
        cambia | traen | dejar | dejarlo | me falta | falto | mi casa | la obra | en camino |
        need | want | would like | d like | arrive
        """
    ),
    labels=cues(
        """
        pedid | orden | order | compra | purchas | cotiz | quote | carrit | cart | entreg |
        deliver | envi | ship | venta | sale | seguim | track
        """
    ),
    seeds=(
        "quiero hacer un encargo para mañana",
        "¿dónde viene mi mercancía?",
        "ponme cuatro costales de mortero",
        "necesito treinta piezas para la obra",
        "when will my things get here?",
        "quítale una caja a lo que pedí",
    ),
)
PAYMENT: Final = Intent(
    name="payment",
    cues=cues(
        """
        pagar | pago | pague | pagos | pagado | tarjeta | efectivo | transfer | deposit |
        factura | facturar | cfdi | rfc | recibo | comprobante | cobra | cobro | cobran |
        adeud | debo | saldo | credito | mensualidad | meses sin | reembols | devuelv |
        devolvi | liga | cuenta bancaria | que cuenta | terminal | oxxo | paypal | vencid |
        abono | abonar | anticipo | nota fiscal | clabe | vales | cheque | checks | liquidar |
        estado de cuenta | me regresan | pay | card | cash | invoice | billing | the bill |
        receipt | charge | refund | owe | balance | credit | bank
        """
    ),
    weak_cues=cues(
        """
        dinero | cuenta | aceptan | reciben | link | iva | money | tax | fiado | banco
        """
    ),
    labels=cues(
        """
        pago | pagar | pagos | cobr | factur | payment | pay | invoice | bill | adeud | refund |
        reembols | recibo | cartera
        """
    ),
    seeds=(
        "¿aceptan vales o solo billetes?",
        "me hicieron un cargo que no reconozco",
        "mi saldo pendiente",
        "the transaction failed",
        "¿me pueden dar plazo para liquidar?",
    ),
)

INTENTS: Final = (GREETING, INFORMATION, HUMAN, PRODUCT, ORDER, PAYMENT)

#: Who takes what nobody else takes describes itself with one of these.
FALLBACK_LABELS: Final = cues(
    """
        recep | fallback | respaldo | general | otro | otra | demas | everything else |
        anything else | todo lo | salud | greet | welcom | front desk
        """
)
